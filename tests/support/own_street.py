"""The files of docs/own-community: a street that nobody lives in, made by seeded draws so that its files look like real ones.

Eight households with meters of 15 minutes, four of them with solar roofs, over 28 days of the autumn in which German clocks were put back
(27 October 2024): as a meter's portal in Germany would write them, with semicolons, decimal commas and clock time without an offset. Prices
are hourly. Run as a script, this module writes the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "own-community"
ZONE = ZoneInfo("Europe/Berlin")
FIRST, LAST = datetime(2024, 10, 14, tzinfo=ZONE), datetime(2024, 11, 11, tzinfo=ZONE)  # the last is the first that is not in it
SEED = 1410
MEAN_KW = {"Abel": 0.38, "Berger": 0.52, "Cramer": 0.31, "Dorn": 0.74, "Ehlers": 0.45, "Faber": 0.29, "Graf": 0.61, "Haas": 0.48}
KWP = {"Abel": 8.4, "Dorn": 9.9, "Faber": 5.2, "Haas": 7.6}
BATTERY = {"Abel": (4.0, 8.0), "Haas": (3.0, 6.0)}
BUS = {"Abel": "N2", "Berger": "N2", "Cramer": "N3", "Dorn": "N4", "Ehlers": "N4", "Faber": "N6", "Graf": "N5", "Haas": "N6"}
LINES = (("N1", "N2", 90), ("N2", "N3", 60), ("N3", "N4", 75), ("N2", "N5", 110), ("N5", "N6", 85))

Array = NDArray[np.float64]


def stamps(minutes: int) -> list[datetime]:
    """The instants at which periods of so many minutes begin, in UTC."""
    count = int((LAST.astimezone(UTC) - FIRST.astimezone(UTC)) / timedelta(minutes=minutes))
    return [FIRST.astimezone(UTC) + timedelta(minutes=minutes * k) for k in range(count)]


def written(at: datetime) -> str:
    """An instant as the portal writes it: clock time without an offset."""
    return at.astimezone(ZONE).strftime("%d.%m.%Y %H:%M")


def loads(random: np.random.Generator, clock: Array) -> dict[str, Array]:
    """What each household consumes in kW: an evening peak, a smaller one in the morning, and draws that last an hour or so."""
    found = {}
    for name, mean in MEAN_KW.items():
        evening, morning = 18.5 + random.normal(0, 0.8), 7.2 + random.normal(0, 0.6)
        shape = 0.45 + 1.5 * np.exp(-(((clock - evening) / 2.2) ** 2)) + 0.8 * np.exp(-(((clock - morning) / 1.1) ** 2))
        noise = np.convolve(random.lognormal(0.0, 0.7, len(clock)), np.ones(4) / 4, mode="same")
        load = shape * noise
        found[name] = np.maximum(mean * load / load.mean(), 0.02)
    return found


def suns(random: np.random.Generator, clock: Array, day: Array) -> dict[str, Array]:
    """What each roof makes in kW: days that shorten, a sky drawn for each of them, clouds that all roofs share."""
    half = 5.3 - 0.028 * day  # half a day's length in hours
    height = np.clip(np.cos(np.pi / 2 * (clock - 12.2) / half), 0.0, None) * (np.abs(clock - 12.2) < half)
    sky = random.uniform(0.12, 0.95, 40)[day.astype(int)]
    clouds = np.clip(1.0 + 0.25 * np.convolve(random.normal(size=len(clock)), np.ones(3) / 3, mode="same"), 0.2, 1.2)
    return {name: 0.62 * peak * height**1.2 * sky * clouds for name, peak in KWP.items()}


def files() -> dict[str, str]:
    """The text of each file by its name."""
    random = np.random.default_rng(SEED)
    quarters, hours = stamps(15), stamps(60)
    local = [at.astimezone(ZONE) for at in quarters]
    clock = np.array([at.hour + (at.minute + 7.5) / 60 for at in local])
    day = np.array([(at.date() - FIRST.date()).days for at in local], dtype=np.float64)
    load, sun = loads(random, clock), suns(random, clock, day)
    columns = {f"{name} Verbrauch [kWh]": load[name] / 4 for name in MEAN_KW} | {f"{name} PV [kWh]": sun[name] / 4 for name in KWP}
    meters = [";".join(["Zeitstempel", *columns])]
    for k, at in enumerate(quarters):
        meters.append(";".join([written(at), *(f"{values[k]:.4f}".replace(".", ",") for values in columns.values())]))
    prices = ["time,import [ct/kWh],export [ct/kWh]", *_prices(random, hours)]
    lines = ["line,from,to,length_m,r_ohm_per_km,x_ohm_per_km,limit_a"]
    lines += [f"NAYY 4x150 {a}-{b},{a},{b},{metres},0.206,0.080,270" for a, b, metres in LINES]
    prosumers = ["household,bus,battery_kw,battery_kwh"]
    prosumers += [f"{name},{BUS[name]},{'{:g},{:g}'.format(*BATTERY[name]) if name in BATTERY else ','}" for name in MEAN_KW]
    named = {"meters.csv": meters, "prices.csv": prices, "lines.csv": lines, "prosumers.csv": prosumers}
    return {name: "\n".join(rows) + "\n" for name, rows in named.items()}


def _prices(random: np.random.Generator, hours: list[datetime]) -> Iterator[str]:
    """A dynamic tariff: an hourly exchange price with grid fees and taxes on top, and the exchange price for what is fed in."""
    wind = 0.0
    for at in hours:
        clock = at.astimezone(ZONE).hour
        wind = 0.97 * wind + 0.24 * float(random.normal())
        spot = 8.5 + 3.2 * np.cos((clock - 18.5) / 24 * 2 * np.pi) - 2.4 * np.exp(-(((clock - 12.5) / 2.5) ** 2)) - 2.2 * wind
        spot = float(np.clip(spot, -1.0, 24.0))
        yield f"{at.astimezone(ZONE).isoformat(timespec='minutes')},{spot + 19.5:.2f},{spot:.2f}"


def write(folder: Path) -> None:
    """Write the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            file.write(text)


if __name__ == "__main__":
    write(FOLDER)
