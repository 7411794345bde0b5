"""What people write, read in one way: numbers, and text in files.

Python's ``float`` reads more than people mean: ``0_5`` is 5.0, ``nan`` and ``infinity`` are numbers, and so are digits of other scripts.
Everything that a user writes and that becomes a number goes through :func:`number` or :func:`whole_number`: cells of CSV files, the command
line, the charges of ``constant:G``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_WORDS: Final = re.compile(r"[+-]?(nan|inf|infinity|n/?a|null|none)", re.IGNORECASE)
_WORDS_OF_FLOAT: Final = ("nan", "inf", "-inf")
_GROUPED: Final = re.compile(r"[+-]?[0-9]+(([ '’_\u00a0\u202f][0-9]+)+)([.,][0-9]+)?")
_WITH_A_UNIT: Final = re.compile(r"[+-]?[0-9.]+\s*[%€$£a-zA-Z/]+")

# What a piece of text is that is no number, and what to do: each pattern is tried in turn on the whole text.
_MEANT: Final = (
    (re.compile(r"[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?"), "a comma within a number: write a decimal point, and nothing between thousands"),
    (re.compile(r"[+-]?[0-9]{1,3}([,.][0-9]{3})+([.,][0-9]+)?"), "thousands are set apart: write digits and one decimal point only"),
    (re.compile(r"[+-]?[0-9.]*_[0-9._]*"), "an underscore within a number: leave it out"),
    (_GROUPED, "thousands are set apart: write digits and one decimal point only"),
    (_WORDS, "a word: write a number"),
    (re.compile(r"[+-]?0[xXbBoO][0-9a-fA-F]+"), "not a decimal number: write digits from 0 to 9"),
    (re.compile(r"[−–—][0-9.]+.*"), "a dash for a minus sign: write -"),
    (_WITH_A_UNIT, "something behind the number: write the number alone"),
)


def number(text: str, *, words: bool = False) -> float:
    """Return the number that a text is: an optional sign, digits with at most one point among them, and an optional exponent.

    Args:
        text: What was written; spaces around it do not count.
        words: Whether ``nan``, ``inf`` and ``-inf`` are numbers as well, in files that a program wrote.

    Raises:
        ValueError: If it is no such number, or one that floats cannot hold; the message says what it is, where that can be told.
    """
    text = text.strip()
    if words and text in _WORDS_OF_FLOAT:
        return float(text)
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"must be a number such as 0.25 or 1e-3, got {text!r}{explained(text)}")
    value = float(text)
    if math.isinf(value) or (value == 0 and text.lower().partition("e")[0].strip("+-.0")):
        raise ValueError(f"must be a number from 1e-307 to 1e308 in size, or 0, got {text!r}")
    return value


def charges_from(text: str) -> tuple[float, ...]:
    """Read one charge, or several separated by commas.

    Raises:
        ValueError: If any of them is not a number.
    """
    charges, bad = list[float](), list[str]()
    for part in text.split(","):
        try:
            charges.append(number(part))
        except ValueError:
            bad.append(part.strip())
    if bad:
        raise ValueError(f"charges must be numbers in EUR/kWh separated by commas, got {', '.join(map(repr, bad))} in {text!r}.")
    return tuple(charges)


def whole_number(text: str) -> int:
    """Return the whole number that a text is: an optional sign and digits.

    Raises:
        ValueError: If it is none.
    """
    text = text.strip()
    if _WHOLE.fullmatch(text) is None or len(text) > 18:
        raise ValueError(f"must be a whole number such as 12, got {text!r}{explained(text)}")
    return int(text)


def not_finite(tables: Mapping[str, object], place: str = "") -> list[str]:
    """Return where nested tables, as TOML files hold them, have a ``nan`` or ``inf``, which are numbers there: keys with dots between."""
    found = []
    for key, value in tables.items():
        where = f"{place}{key}"
        match value:
            case float() if not math.isfinite(value):
                found.append(f"{where} = {value}")
            case Mapping():
                found += not_finite(value, f"{where}.")
            case list():
                found += not_finite({f"{index}": item for index, item in enumerate(value)}, f"{where}.")
    return found


def explained(text: str) -> str:
    """Return what is wrong with a text that is no number, in brackets and with a space before; nothing where that cannot be told."""
    meaning = next((words for pattern, words in _MEANT if pattern.fullmatch(text)), "")
    if not meaning and any(sign.isdecimal() and not sign.isascii() for sign in text):
        meaning = "digits of another script: write 0 to 9"
    return f" ({meaning})" if meaning else ""


def read_text(path: Path) -> str:
    """Return what a text file holds; see :func:`decoded`."""
    return decoded(path.read_bytes())


def decoded(content: bytes) -> str:
    """Return the text that a file in UTF-8 holds, with or without the byte order mark that Windows' programs put first.

    Raises:
        ValueError: If it is in another encoding, or no text.
    """
    if content.startswith(b"PK\x03\x04"):
        raise ValueError("must be text, got what looks like an Excel workbook or another ZIP file. Save it as CSV.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in content[:4]:
        raise ValueError("must be text in UTF-8, got what looks like UTF-16. Save it again as UTF-8.")
    if b"\x00" in content:
        row = content[: content.index(b"\x00")].count(b"\n") + 1
        raise ValueError(f"must be text, got a zero byte in row {row}. The file is damaged or not a text file: write it again.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        came = content[error.start : error.start + 1].hex().upper()
        raise ValueError(
            f"must be text in UTF-8, got the byte {came} in row {row}. The file may be in Latin-1 or Windows-1252: save it again as UTF-8."
        ) from None
