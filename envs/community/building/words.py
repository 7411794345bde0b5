"""What a header says: whose numbers a column holds, of what, and in which unit.

``Huber sun [kWh]``, ``Huber_pv_kwh`` and ``Huber generation (kWh)`` are the same three words: a household, a quantity, a unit. Each of
them may be absent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Quantity = Literal["load", "generation", "import", "export", "net"]
"""What a meter counts: what a household uses, what its sun makes, what it takes from the grid, what it feeds in, or the first less the
second of these, of either sign."""
Price = Literal["import_price", "export_price", "loss_price"]

QUANTITIES: Final[Mapping[str, Quantity]] = {
    **dict.fromkeys(("load", "consumption", "demand", "use", "verbrauch", "last"), "load"),
    **dict.fromkeys(("generation", "production", "sun", "solar", "pv", "renewable", "erzeugung"), "generation"),
    **dict.fromkeys(("import", "imported", "bezug", "netzbezug"), "import"),
    **dict.fromkeys(("export", "exported", "feed-in", "feedin", "einspeisung"), "export"),
    **dict.fromkeys(("net", "netto", "saldo"), "net"),
}
PRICES: Final[Mapping[str, Price]] = {
    **dict.fromkeys(("import", "buy", "purchase", "retail", "bezug"), "import_price"),
    **dict.fromkeys(("export", "sell", "sale", "feed-in", "feedin", "einspeisung"), "export_price"),
    **dict.fromkeys(("loss", "losses", "verluste"), "loss_price"),
}
TIME_NAMES: Final = frozenset(
    {"time", "timestamp", "datetime", "date", "datetime_utc", "utc_timestamp", "hour", "start", "zeit", "zeitstempel", "datum", "ts"}
)
HOUSEHOLD_NAMES: Final = frozenset(
    {
        "household",
        "prosumer",
        "meter",
        "meter_id",
        "meter_name",
        "customer",
        "customer_id",
        "house",
        "haushalt",
        "kunde",
        "zaehler",
        "zähler",
    }
)
QUANTITY_NAMES: Final = frozenset({"kind", "quantity", "register", "type", "what", "art"})
VALUE_NAMES: Final = frozenset({"value", "reading", "power", "energy", "wert", "messwert", "leistung", "energie", ""})
UNIT_NAMES: Final = frozenset({"unit", "einheit"})

POWER_UNITS: Final[Mapping[str, tuple[float, bool]]] = {
    "w": (1e-3, False),
    "kw": (1.0, False),
    "mw": (1e3, False),
    "wh": (1e-3, True),
    "kwh": (1.0, True),
    "mwh": (1e3, True),
}
"""What makes kW or kWh of a unit, by its name in small letters, and whether it is one of energy."""
PRICE_UNITS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("eur/kwh", "€/kwh", "eur_per_kwh"), 1.0),
    **dict.fromkeys(("ct/kwh", "cent/kwh", "cents/kwh", "c/kwh", "ct_per_kwh"), 100.0),
    **dict.fromkeys(("eur/mwh", "€/mwh", "eur_per_mwh"), 1000.0),
}
"""How many of a unit make one EUR/kWh, by its name in small letters."""

# A lone W or MW is as likely the initial of a name: these two count in brackets only.
_POWER_UNIT: Final = re.compile(r"^(.*?)(?:[\s_,/]*[\[(]\s*(kwh|kw|mwh|mw|wh|w)\s*[\])]|(?:[\s_,]+|^)(kwh|kw|mwh|wh))$", re.IGNORECASE)
_PRICE_UNIT: Final = re.compile(
    r"^(.*?)(?:[\s_,]*[\[(]\s*|[\s_,]+|^)((?:eur|€|ct|cents?|c)(?:/|_per_)(?:kwh|mwh))(\s*[\])])?$", re.IGNORECASE
)
_LAST_WORD: Final = re.compile(r"^(?:(.*?)(?:[\s_:-]+|\.))?([^\s_:.]+)$")
_PRICE_WORD: Final = re.compile(r"[\s_-]*(?:price|preis|tariff|tarif)$", re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """What the header of a column says.

    Attributes:
        household: Whose numbers they are, empty where it names nobody.
        word: What they are of, empty where it does not say.
        unit: Their unit in small letters, empty where it states none.
    """

    household: str
    word: str
    unit: str


def of_meter(header: str, households: Collection[str] = ()) -> Header:
    """Return what a header of meter readings says; a name of ``households`` is one, whatever words are in it."""
    rest, unit = _unit(header, _POWER_UNIT)
    return Header(rest, "", unit) if rest in households else _words(rest, QUANTITIES, unit)


def of_price(header: str) -> Header:
    """Return what a header of prices says."""
    rest, unit = _unit(header, _PRICE_UNIT)
    return _words(_PRICE_WORD.sub("", rest), PRICES, unit)


def _unit(header: str, pattern: re.Pattern[str]) -> tuple[str, str]:
    found = pattern.match(header.strip())
    if found is None:
        return header.strip(), ""
    return found[1].strip(" _,"), next(each for each in found.groups()[1:] if each).lower()


def _words(text: str, known: Mapping[str, str], unit: str) -> Header:
    found = _LAST_WORD.match(text)
    if found and found[2].lower() in known:
        return Header((found[1] or "").strip(), known[found[2].lower()], unit)
    if text.lower() in known:  # a word with a sign of its own in it
        return Header("", known[text.lower()], unit)
    return Header(text, "", unit)
