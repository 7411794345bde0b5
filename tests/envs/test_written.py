"""What counts as a number and as a text file wherever people write one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridtoll.envs.written import decoded, number, read_text, whole_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5.0),
        ("-0.5", -0.5),
        ("+2", 2.0),
        ("1e-3", 1e-3),
        ("1E+3", 1e3),
        (".5", 0.5),
        ("5.", 5.0),
        (" 7 ", 7.0),
        ("007", 7.0),
        ("0e9", 0.0),
    ],
)
def test_a_number_is_a_sign_digits_with_a_point_and_an_exponent(text: str, value: float) -> None:
    assert number(text) == value


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_every_float_that_is_written_out_reads_back_to_the_last_bit(value: float) -> None:
    assert number(repr(value)) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0_5", "an underscore within a number"),
        ("1_000.5", "an underscore within a number"),
        ("1,5", "a comma within a number"),
        ("1,234.5", "thousands are set apart"),
        ("1.234,5", "thousands are set apart"),
        ("1.234.567", "thousands are set apart"),
        ("1 234", "thousands are set apart"),
        ("1\u00a0234,5", "thousands are set apart"),
        ("1'234.5", "thousands are set apart"),
        ("nan", "a word"),
        ("-Infinity", "a word"),
        ("N/A", "a word"),
        ("0x1F", "not a decimal number"),
        ("٣", "digits of another script"),
        ("１２.5", "digits of another script"),
        ("−3.5", "a dash for a minus sign"),
        ("5 kW", "something behind the number"),
        ("95%", "something behind the number"),
        ("much", ""),
        ("", ""),
        ("1.2.3", ""),
        ("--1", ""),
        ("1e5.5", ""),
    ],
)
def test_what_python_reads_and_people_do_not_mean_is_no_number(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"must be a number such as 0\.25 or 1e-3, got ") as caught:
        number(text)
    assert repr(text) in str(caught.value)
    assert reason in str(caught.value)
    assert ("(" in str(caught.value)) == bool(reason)


@pytest.mark.parametrize("text", ["1e999", "-1e400", "1e-999", "0.001e-400"])
def test_a_number_that_floats_cannot_hold_is_refused_and_never_becomes_infinity_or_zero(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number from 1e-307 to 1e308 in size, or 0"):
        number(text)


def test_words_are_numbers_only_in_files_that_a_program_wrote() -> None:
    assert math.isnan(number("nan", words=True))
    assert number("-inf", words=True) == -math.inf
    with pytest.raises(ValueError, match=r"got 'Infinity' \(a word"):
        number("Infinity", words=True)


@pytest.mark.parametrize("text", ["1_0", "1.0", "٣", "1e3", "0x10", "", "9" * 30])
def test_a_whole_number_is_a_sign_and_digits(text: str) -> None:
    assert whole_number(" -12 ") == -12
    with pytest.raises(ValueError, match="must be a whole number such as 12, got"):
        whole_number(text)


def test_a_byte_order_mark_is_no_part_of_the_text_and_other_encodings_are_named(tmp_path: Path) -> None:
    (tmp_path / "marked.txt").write_bytes("\ufeffa = 1\r\n".encode())
    assert read_text(tmp_path / "marked.txt") == "a = 1\r\n"
    for content, reason in (
        ("a = 1".encode("utf-16"), "looks like UTF-16. Save it again as UTF-8."),
        ("a = 1".encode("utf-16-le"), "looks like UTF-16"),
        ("a\nb\nKüche".encode("latin-1"), "got the byte FC in row 3. The file may be in Latin-1"),
        (b"hour,a\n1,2\n\x00\x00\x00", "a zero byte in row 3"),
    ):
        with pytest.raises(ValueError, match="must be text") as caught:
            decoded(content)
        assert reason in str(caught.value)
