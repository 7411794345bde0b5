"""Pictures of a study, one function each, from its tables: regimes, prosumers, limits, accounts, charge models.

Colours are Okabe and Ito's. Whatever colour tells apart is told apart by hatching, marker or line style as well, so that a grey print can
be read. Money and energy are in thousands or millions where numbers would be long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .tables import Row, one, only

REGIME_STYLE: Final = {
    "no": ("No P2P", "#999999", ""),
    "free": ("Free P2P", "#56B4E9", "//"),
    "social": ("Social P2P", "#009E73", ".."),
    "optimal": ("Optimal P2P", "#D55E00", "xx"),
}
TARIFF_STYLE: Final = {
    "free": ("none", "#999999", ""),
    "unique": ("unique", "#56B4E9", "//"),
    "distance": ("distance", "#D55E00", "xx"),
    "zonal": ("zonal", "#009E73", ".."),
    "line": ("line", "#E69F00", "\\\\"),
}
_SCALES: Final = ((1e6, "million "), (1e3, "thousand "), (1.0, ""))


def scaled(values: Sequence[float | None], unit: str) -> tuple[list[float], str]:
    """Return values in a unit in which their numbers are short, with its name; what is missing is NaN.

    >>> scaled([1500.0, 20000.0], "EUR/day")
    ([1.5, 20.0], 'thousand EUR/day')
    """
    numbers = [np.nan if value is None else float(value) for value in values]
    greatest = max((abs(number) for number in numbers if np.isfinite(number)), default=0.0)
    factor, word = next((scale for scale in _SCALES if greatest >= scale[0]), _SCALES[-1])
    return [number / factor for number in numbers], f"{word}{unit}"


def regimes_figure(system: str, details: Sequence[Row]) -> Figure:
    """Draw the four regimes: what operator and prosumers gain against No P2P, losses, and trade."""
    rows = {row["regime"]: row for row in only(details, system=system)}
    figure = Figure(figsize=(10.5, 3.4), layout="constrained")
    gains, losses, trade = figure.subplots(1, 3, width_ratios=(2, 1.2, 1.2))
    shown = ("free", "social", "optimal")
    changes = [
        rows[regime][name] - rows["no"][name] for name in ("operator_profit_eur", "prosumer_surplus_eur", "welfare_eur") for regime in shown
    ]
    heights, unit = scaled(changes, "EUR/day")
    for place, regime in enumerate(shown):
        label, colour, hatch = REGIME_STYLE[regime]
        at = np.arange(3) + 0.27 * (place - 1)
        gains.bar(at, heights[place::3], 0.25, color=colour, hatch=hatch, edgecolor="black", linewidth=0.6, label=label)
    gains.set_xticks(range(3), ["operator", "all prosumers", "both (welfare)"])
    gains.set_ylabel(f"change against No P2P\n({unit})")
    gains.axhline(0, color="black", linewidth=0.8)
    gains.legend(fontsize=8)
    _bars(losses, rows, "loss_kwh", "losses caused", "kWh/day")
    _bars(trade, rows, "traded_kwh", "energy traded", "kWh/day")
    figure.suptitle(f"{system}: the four regimes, means over days", fontsize=10)
    return figure


def _bars(axes: Axes, rows: dict[str, Row], name: str, label: str, unit: str) -> None:
    heights, unit = scaled([rows[regime][name] for regime in REGIME_STYLE], unit)
    for place, (regime, height) in enumerate(zip(REGIME_STYLE, heights, strict=True)):
        _, colour, hatch = REGIME_STYLE[regime]
        axes.bar(place, height, 0.7, color=colour, hatch=hatch, edgecolor="black", linewidth=0.6)
    axes.set_xticks(range(4), [REGIME_STYLE[regime][0].removesuffix(" P2P") for regime in REGIME_STYLE])
    axes.set_ylabel(f"{label} ({unit})")
    axes.axhline(0, color="black", linewidth=0.8)


def prosumers_figure(system: str, prosumers: Sequence[Row], fairness: Sequence[Row]) -> Figure:
    """Draw what Free and Optimal P2P change for each prosumer, in order of what Free P2P does."""
    figure = Figure(figsize=(8.5, 3.4), layout="constrained")
    axes = figure.subplots()
    free = sorted(only(prosumers, system=system, regime="free"), key=lambda row: -row["change_eur"])
    order = [row["prosumer"] for row in free]
    changes = {
        regime: {row["prosumer"]: row["change_eur"] for row in only(prosumers, system=system, regime=regime)}
        for regime in ("free", "optimal")
    }
    values, unit = scaled([changes[regime][who] for regime in changes for who in order], "EUR/day")
    for place, (regime, marker) in enumerate((("free", "o"), ("optimal", "s"))):
        label, colour, _ = REGIME_STYLE[regime]
        spread = one(fairness, system=system, regime=regime)["gini_of_mean_changes"]
        text = label if spread is None else f"{label} (Gini {spread:.2f})"
        axes.plot(
            range(len(order)),
            values[place * len(order) : (place + 1) * len(order)],
            marker,
            color=colour,
            markeredgecolor="black",
            markersize=6,
            label=text,
        )
    step = max(1, len(order) // 25)
    axes.set_xticks(range(0, len(order), step), [str(who) for who in order[::step]], fontsize=8)
    axes.set(xlabel="prosumer, by what Free P2P gives it", ylabel=f"surplus less No P2P's\n({unit})")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.grid(alpha=0.25, axis="y")
    axes.legend(fontsize=8)
    figure.suptitle(f"{system}: what the market changes for each prosumer, means over days", fontsize=10)
    return figure


def limits_figure(system: str, limits: Sequence[Row]) -> Figure:
    """Draw the loading of the worst branch on the worst day and the mean welfare lost against Social P2P, by instrument and tightness."""
    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    loading, welfare = figure.subplots(1, 2, sharey=True)
    rows = only(limits, system=system)
    instruments = list(dict.fromkeys(row["instrument"] for row in rows))
    tightness = list(dict.fromkeys(row["free_loading"] for row in rows))
    lost = []
    for row in rows:
        social = one(rows, free_loading=row["free_loading"], instrument="social")["welfare_eur"]
        # An instrument that cannot serve every day is not compared: its mean is over other days.
        whole = row["days_possible"] == row["days"] and row["welfare_eur"] is not None
        lost.append(social - row["welfare_eur"] if whole else None)
    values, unit = scaled(lost, "EUR/day")
    markers, colours = ("o", "s", "^", "D"), ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
    for place, tight in enumerate(tightness):
        chosen = [(k, row) for k, row in enumerate(rows) if row["free_loading"] == tight]
        at = [instruments.index(row["instrument"]) + 0.18 * (place - (len(tightness) - 1) / 2) for _, row in chosen]
        style = {"color": colours[place % 4], "marker": markers[place % 4], "linestyle": "none", "markeredgecolor": "black"}
        peaks = [np.nan if row["greatest_peak_loading"] is None else 100 * row["greatest_peak_loading"] for _, row in chosen]
        loading.plot(peaks, at, label=f"Free P2P at {100 * tight:.0f}%", **style)
        welfare.plot([values[k] for k, _ in chosen], at, **style)
    loading.axvline(100, color="black", linestyle="--", linewidth=1)
    loading.set_yticks(range(len(instruments)), [_instrument(name, rows) for name in instruments], fontsize=8)
    loading.invert_yaxis()
    loading.set_xlabel("loading of the worst branch, hour and day (%)")
    loading.set_xlim(left=0)
    welfare.set_xlabel(f"welfare lost against Social P2P ({unit})")
    loading.legend(fontsize=8)
    for axes in (loading, welfare):
        axes.grid(alpha=0.25)
    figure.suptitle(f"{system}: how far one charge relieves the lines", fontsize=10)
    return figure


def _instrument(name: str, rows: Sequence[Row]) -> str:
    short = [row for row in rows if row["instrument"] == name and row["days_possible"] < row["days"]]
    text = {"free": "no charge (Free P2P)", "social": "Social P2P"}.get(name, name.replace("overload at", "overload costs"))
    text = text if not name.startswith("charge, overload") else f"{text} EUR/kWh"
    return f"{text}\n(impossible on some days)" if short else text


def accounts_figure(system: str, accounts: Sequence[Row]) -> Figure:
    """Draw what operator and prosumers gain under both accounts of flows, with an import fee and without."""
    figure = Figure(figsize=(7.5, 7.2), layout="constrained")
    rows = only(accounts, system=system)
    settings = list(dict.fromkeys((row["flows"], row["import_fee"]) for row in rows))
    panels = figure.subplots(3, 1, sharex=True)
    no = {key: one(rows, flows=key[0], import_fee=key[1], regime="no") for key in settings}
    labels = [f"{flows},\n{'no import fee' if fee == 0 else f'import fee {fee:g} EUR/kWh'}" for flows, fee in settings]
    for axes, (name, label) in zip(
        panels,
        (("operator_profit_eur", "operator"), ("prosumer_surplus_eur", "all prosumers"), ("share_of_social_gain", "share")),
        strict=True,
    ):
        for place, regime in enumerate(("free", "social", "optimal")):
            mine = [one(rows, flows=key[0], import_fee=key[1], regime=regime) for key in settings]
            if name == "share_of_social_gain":
                values, ylabel = [np.nan if row[name] is None else 100 * row[name] for row in mine], "share of Social's\nwelfare gain (%)"
            else:
                every = [
                    one(rows, flows=key[0], import_fee=key[1], regime=other)[name] - no[key][name]
                    for other in ("free", "social", "optimal")
                    for key in settings
                ]
                numbers, unit = scaled(every, "EUR/day")
                values, ylabel = numbers[place * len(settings) : (place + 1) * len(settings)], f"{label}: change\nagainst No P2P\n({unit})"
            text, colour, hatch = REGIME_STYLE[regime]
            at = np.arange(len(settings)) + 0.27 * (place - 1)
            axes.bar(at, values, 0.25, color=colour, hatch=hatch, edgecolor="black", linewidth=0.6, label=text)
            axes.set_ylabel(ylabel)
        axes.set_xticks(range(len(settings)), labels)
        axes.axhline(0, color="black", linewidth=0.8)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{system}: two accounts of flows, with an import fee and without", fontsize=11)
    return figure


def charge_models_figure(system: str, models: Sequence[Row]) -> Figure:
    """Draw each charge model at its own optimum; a line above a bar leads to the proved bound where the best is not proved optimal."""
    rows = {row["tariff"]: row for row in only(models, system=system)}
    figure = Figure(figsize=(7.5, 5.8), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    fields = (
        ("operator_profit_eur", "operator profit", "EUR/day"),
        ("welfare_eur", "welfare less Free P2P's", "EUR/day"),
        ("loss_kwh", "losses caused", "kWh/day"),
        ("mean_distance", "mean distance of a kWh", "1 = mean of pairs"),
    )
    for axes, (name, label, unit) in zip(panels, fields, strict=True):
        base = rows["free"]["welfare_eur"] if name == "welfare_eur" else 0.0
        raw = [None if row[name] is None else row[name] - base for row in rows.values()]
        tops = [row["upper_bound_eur"] for row in rows.values()] if name == "operator_profit_eur" else []
        numbers, word = scaled([*raw, *tops], unit)
        for place, tariff in enumerate(rows):
            _, colour, hatch = TARIFF_STYLE[tariff]
            axes.bar(place, numbers[place], 0.7, color=colour, hatch=hatch, edgecolor="black", linewidth=0.6)
            if tops and not rows[tariff]["is_exact"]:
                axes.plot([place, place], [numbers[place], numbers[len(raw) + place]], color="black", linewidth=1, marker="_", markersize=9)
        axes.set_xticks(range(len(rows)), [TARIFF_STYLE[tariff][0] for tariff in rows], fontsize=9)
        axes.set_ylabel(f"{label}\n({word})")
        axes.axhline(0, color="black", linewidth=0.8)
    figure.suptitle(f"{system}: charge models, each at its own optimum\n(line above a bar: up to the proved bound)", fontsize=11)
    return figure
