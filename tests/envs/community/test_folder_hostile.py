"""Folders as people really bring them: each cause of trouble is told once, with its place and its remedy, and hides no other."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from builders import few_days

from gridtoll.envs.community.sources import export_community, load_community

DAYS = 14
FILE = "load_kw.csv"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two weeks of the closed-form community."""
    return export_community(few_days("two-weeks", DAYS), tmp_path_factory.mktemp("export") / "two")


@pytest.fixture
def copy(template: Path, tmp_path: Path) -> Path:
    """Return a folder of one's own to damage."""
    shutil.copytree(template, tmp_path / "mine")
    return tmp_path / "mine"


def rewrite(file: Path, edit: Callable[[str], str]) -> None:
    file.write_text(edit(file.read_text(encoding="utf-8")), encoding="utf-8")


def put(folder: Path, file: str, row: int, column: str, value: str) -> None:
    """Write a value into a cell; row 1 is the header."""
    lines = (folder / file).read_text(encoding="utf-8").splitlines()
    cells = lines[row - 1].split(",")
    cells[lines[0].split(",").index(column)] = value
    lines[row - 1] = ",".join(cells)
    (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def faults_of(folder: Path) -> str:
    with pytest.raises(ValueError, match=r"community folder .* is not valid") as caught:
        load_community(folder)
    return str(caught.value)


def lines_of(folder: Path) -> list[str]:
    """The faults that loading a folder lists."""
    return [line.removeprefix("  - ") for line in faults_of(folder).splitlines() if line.startswith("  - ")]


def test_files_take_turns_in_the_list_of_faults_and_what_is_beyond_it_is_counted(copy: Path) -> None:
    for kind, value in enumerate(("", "nan", "0_5", "−5", "0x1", "5 kW", "1 000", "much", "-3")):
        for row in range(3):
            put(copy, "renewable_kw.csv", 2 + 3 * kind + row, "seller", value)
    put(copy, "prices.csv", 4, "import_price", "7_0")
    put(copy, FILE, 4, "buyer", "-1")
    put(copy, "branches.csv", 2, "limit_kw", "0")
    lines = lines_of(copy)
    assert len(lines) == 25
    assert {line.split(",")[0] for line in lines[:4]} == {"branches.csv", "renewable_kw.csv", FILE, "prices.csv"}
    assert faults_of(copy).splitlines()[-1] == "  and 5 more"


FLOODS: list[tuple[str, Callable[[str], str], str]] = [
    ("semicolons", lambda text: text.replace(",", ";"), "cells must be separated by commas, got semicolons (;). Save it as CSV with"),
    ("tabs", lambda text: text.replace(",", "\t"), "cells must be separated by commas, got tabs"),
    ("semicolons and commas", lambda text: text.replace(",", ";").replace(".", ","), "got semicolons (;)"),
    ("a line for a spreadsheet", lambda text: "sep=,\n" + text, "got 'sep=,'. Remove this line"),
    ("decimal commas", lambda text: text.replace("1.25", '"1,25"'), "a comma within a number: write a decimal point"),
    ("bare decimal commas", lambda text: text.replace("1.25", "1,25"), "must have 3 cells as the header has, got 5 (a decimal comma"),
    ("a space", lambda text: re.sub(r"(\d)T", r"\1 ", text), "'2016-01-01 00:00' (a space for the T: pandas writes it with"),
    ("pandas' timestamps", lambda text: re.sub(r"T(\d\d:\d\d)", r" \1:00", text), "'2016-01-01 00:00:00' (a space for the T: pandas"),
    ("seconds", lambda text: re.sub(r"(T\d\d:\d\d)", r"\1:00", text), "(seconds, or another form: pandas writes it with"),
    ("a zone", lambda text: re.sub(r"(T\d\d:\d\d)", r"\1+01:00", text), "(a time zone: bring all hours to one without summer time"),
    ("UTC", lambda text: re.sub(r"(T\d\d:\d\d)", r"\1:00Z", text), "(a time zone: bring all hours to one"),
    ("days first", lambda text: re.sub(r"(\d{4})-(\d\d)-(\d\d)T", r"\3.\2.\1 ", text), "(another order: write year, month, day)"),
    ("no header", lambda text: text.partition("\n")[2], "must begin with a header such as 'hour,seller,buyer', got data: 2016-01-01T00:00"),
    (
        "an index",
        lambda text: re.sub("^", "7,", text.strip(), flags=re.MULTILINE).replace("7,hour", ",hour"),
        "column 1 has no name. Pandas",
    ),
    ("underscores", lambda text: text.replace("1.25", "1_0.25"), "an underscore within a number: leave it out"),
    ("units", lambda text: text.replace("1.25", "1.25 kW"), "something behind the number: write the number alone"),
    ("gaps", lambda text: text.replace("1.25", ""), "an empty cell (a gap)"),
    ("a row too long", lambda text: text.replace("1.25\n", "1.25,8\n"), "must have 3 cells as the header has, got 4"),
]


@pytest.mark.parametrize(("edit", "part"), [flood[1:] for flood in FLOODS], ids=[flood[0] for flood in FLOODS])
def test_a_cause_that_spoils_a_whole_file_is_one_line_with_its_remedy_and_hides_no_other_file(
    copy: Path, edit: Callable[[str], str], part: str
) -> None:
    rewrite(
        copy / FILE,
        lambda text: edit(
            re.sub(r",[^,\n]*,[^,\n]*$", ",1.25,1.25", text, flags=re.MULTILINE)
            .replace(",1.25", ",seller", 1)
            .replace(",1.25", ",buyer", 1)
        ),
    )
    put(copy, "branches.csv", 2, "limit_kw", "0")
    lines = lines_of(copy)
    [line] = [line for line in lines if line.startswith(FILE)]
    assert part in line
    assert [line for line in lines if line.startswith("branches.csv")]
    assert len(lines) == 2


def test_quarter_hours_that_nobody_stated_are_one_line_that_says_what_to_set(copy: Path) -> None:
    start = datetime.fromisoformat("2016-01-01T00:00")
    quarters = [(start + timedelta(minutes=15 * number)).strftime("%Y-%m-%dT%H:%M") for number in range(4 * 24 * DAYS)]
    for file in (FILE, "renewable_kw.csv"):
        (copy / file).write_text("hour,seller,buyer\n" + "".join(f"{quarter},1,2\n" for quarter in quarters))
    remedy = "Set period_minutes to 15 in settings.csv."
    assert lines_of(copy)[:2] == [
        f"{file}, column 'hour': rows must be one hour apart, got 1,344 rows 15 minutes apart. {remedy}"
        for file in (FILE, "renewable_kw.csv")
    ]


def test_every_file_with_semicolons_is_one_line_each(copy: Path) -> None:
    for path in copy.glob("*.csv"):
        rewrite(path, lambda text: text.replace(",", ";"))
    lines = lines_of(copy)
    assert len(lines) == 7
    assert all("got semicolons (;)" in line for line in lines)


def test_columns_of_other_names_are_one_line_for_those_missing_and_one_for_those_unknown(copy: Path) -> None:
    names = [f"house {number}" for number in range(40)]
    row = (copy / "prosumers.csv").read_text().splitlines()
    cells = row[2].split(",")
    (copy / "prosumers.csv").write_text("\n".join([row[0], *(",".join([name, *cells[1:]]) for name in names)]) + "\n")
    rewrite(
        copy / FILE, lambda text: re.sub("^(hour.*)$", "hour," + ",".join(f"h{n}" for n in range(40)), text, count=1, flags=re.MULTILINE)
    )
    lines = [line for line in lines_of(copy) if line.startswith(FILE)]
    assert len(lines) == 3  # the rows have as many cells as before
    assert lines[0].endswith("39 more like it, the last in column 'house 39'.")
    assert "there is no such column" in lines[1]
    assert lines[1].endswith("39 more like it, the last in column 'h39'.")


def test_powers_in_watts_are_named_by_their_column_or_by_the_connection_they_exceed(copy: Path) -> None:
    rewrite(copy / FILE, lambda text: re.sub(r",([0-9.]+)$", lambda cell: f",{1000 * float(cell[1])}", text, flags=re.MULTILINE))
    [line] = lines_of(copy)
    assert line.startswith(f"{FILE}, column 'buyer': goes up to ")
    assert line.endswith("Is it in W? Powers are in kW: divide by 1000.")
    put(copy, "branches.csv", 1, "limit_kw", "limit_w")
    assert "branches.csv, column 'limit_w': there is no such column. Did you mean 'limit_kw'? Then divide its numbers by 1000." in lines_of(
        copy
    )


def test_a_branch_without_a_limit_is_written_and_read_as_inf_and_no_other_number_is_a_word(copy: Path, tmp_path: Path) -> None:
    put(copy, "branches.csv", 2, "limit_kw", "inf")
    free = load_community(copy)
    assert free.network.grid.branch_limit_kw[0] == np.inf
    assert load_community(export_community(free, tmp_path / "again")).content_hash == free.content_hash
    for word in ("nan", "-inf", "infinity", "INF"):
        put(copy, "branches.csv", 2, "limit_kw", word)
        assert "column 'limit_kw': must be a number above 0, or inf for no limit, got" in faults_of(copy)
    put(copy, "branches.csv", 2, "limit_kw", "5")
    put(copy, "prosumers.csv", 2, "import_limit_kw", "inf")
    assert "column 'import_limit_kw': must be a number, at least 0, got 'inf' (a word: write a number)." in faults_of(copy)


def test_an_underscore_in_a_number_is_no_number_in_any_file(copy: Path) -> None:
    for file, row, column in (
        (FILE, 2, "buyer"),
        ("prices.csv", 2, "import_price"),
        ("branches.csv", 2, "x_pu"),
        ("settings.csv", 8, "value"),
    ):
        put(copy, file, row, column, "0_5")
    lines = lines_of(copy)
    assert len(lines) == 4
    assert all("got '0_5' (an underscore within a number: leave it out)." in line for line in lines)


def into_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


HOSTILE: list[tuple[str, Callable[[Path], object], str]] = [
    ("empty", lambda file: file.write_bytes(b""), "load_kw.csv: must have a header and at least one row below it."),
    (
        "only a header",
        lambda file: file.write_text("hour,seller,buyer\n"),
        "load_kw.csv: must have a header and at least one row below it.",
    ),
    ("a column twice", lambda file: replace_first(file, "buyer", "seller"), "load_kw.csv, column 'seller': the column stands twice."),
    ("an open quote", lambda file: replace_first(file, "2016-01-01T05", '"2016-01-01T05'), "load_kw.csv, row 7: cannot be read as CSV"),
    ("a long cell", lambda file: replace_first(file, "T05:00,", "T05:00," + "9" * 200_000), "row 7: cannot be read as CSV: field larger"),
    ("Latin-1", lambda file: file.write_bytes(file.read_text().replace("buyer", "Käufer").encode("latin-1")), "the byte E4 in row 1. The"),
    ("UTF-16", lambda file: file.write_bytes(file.read_text().encode("utf-16")), "must be text in UTF-8, got what looks like UTF-16. Save"),
    (
        "zeros",
        lambda file: file.write_bytes(file.read_bytes()[:500] + b"\x00" * 100),
        "load_kw.csv: must be text, got a zero byte in row",
    ),
    ("a folder", into_a_folder, "load_kw.csv: must be a CSV file, got a folder of that name."),
    ("a huge file", lambda file: os.truncate(file, 2**30 + 1), "load_kw.csv: must be smaller than 1 GiB, got 1.0 GiB."),
    ("no file", lambda file: file.unlink(), "load_kw.csv: the file is missing."),
    ("another ending", lambda file: file.rename(f"{file}.txt"), "missing. There is 'load_kw.csv.txt': save it as 'load_kw.csv'."),
    ("another case", lambda file: file.rename(file.with_name("Load_kw.CSV")), "missing. There is 'Load_kw.CSV': save it as 'load_kw.csv'."),
    (
        "other digits",
        lambda file: replace_first(file, "2016-01-01T05:00", "２０１６-01-01T05:00"),
        "row 7, column 'hour': must be a time like",
    ),
    ("short times", lambda file: replace_first(file, "2016-01-01T05:00", "2016-1-1T5:00"), "row 7, column 'hour': must be a time like"),
]


def replace_first(file: Path, old: str, new: str) -> None:
    rewrite(file, lambda text: text.replace(old, new, 1))


@pytest.mark.parametrize(("damage", "part"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_whatever_a_file_is_the_message_names_it_and_says_what_to_do(copy: Path, damage: Callable[[Path], object], part: str) -> None:
    damage(copy / FILE)
    lines = lines_of(copy)
    assert part in "\n".join(lines)
    assert all(line.startswith(FILE) for line in lines)
    assert len(lines) <= 2


def test_a_file_that_may_not_be_read_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert f"{FILE}: must be a file that can be read, got: Permission denied." in faults_of(copy)


def test_commas_at_the_ends_of_rows_and_folders_with_spaces_and_umlauts_change_nothing(template: Path, tmp_path: Path) -> None:
    target = tmp_path / "meine Häuser, neu"
    shutil.copytree(template, target)
    for path in target.glob("*.csv"):
        rewrite(path, lambda text: "".join(f"{line},,\n" for line in text.splitlines()))
    assert load_community(target).content_hash == load_community(template).content_hash
    assert load_community(str(target)).content_hash == load_community(template).content_hash
