"""The study as one HTML page that needs nothing beside it: tables, and pictures inlined."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..ground import page as pages
from .tables import Row, only

CAPTIONS: Final = {
    "regimes": "The four regimes. Losses and trades are the community's; welfare is prosumers' surplus and operator's profit together.",
    "charge": "Each curve is a mean over the days. Vertical lines mark the charge, of those drawn, at which the mean profit is greatest.",
    "charge-models": "Profit of zonal and line charges is the best found; the whisker ends at a bound that no coefficients exceed.",
    "limits": "Branch limits are tightened until Free P2P loads the worst branch as the legend says. Means are over days; an instrument "
    "that cannot serve all of them has no mean welfare here.",
    "accounts": "Flows of trades, or of all that enters the wires; the operator earns nothing, or a fee, on each kWh imported.",
    "scaling": "Sun and wind are multiplied; communities of part of the prosumers are nested in seeded orders.",
    "costs": "Left: losses shared out by pro rata, marginal and traced shares, and Shapley values up to 12 prosumers, beside the charges. "
    "Right: the least charge that recovers a cost, and on how many days there is one; on the others it is proved that there is none.",
    "wires": "Losses and peak loading against the charge: what is contractual (trades), what is injected, both by the linear power flow, "
    "and what an AC power flow of all injections says.",
    "prosumers": "By the market's prices nobody has less than without it.",
}
"""What to say below each picture, by the end of its name."""

_MODELS: Final = (
    "tariff",
    "coefficients",
    "operator_profit_eur",
    "upper_bound_eur",
    "proof",
    "relative_gap",
    "welfare_eur",
    "loss_kwh",
    "traded_kwh",
    "mean_distance",
)
_ACCOUNTS: Final = (
    "flows",
    "import_fee",
    "equilibrium_charge",
    "operator_gain_eur",
    "prosumers_gain_eur",
    "free_keeps",
    "optimal_keeps",
    "in_words",
)
_FAIRNESS: Final = (
    "regime",
    "gini_of_mean_changes",
    "worst_off_mean_change_eur",
    "best_off_mean_change_eur",
    "worst_off_change_of_any_day_eur",
    "losing_prosumer_days",
)
_RECOVERY: Final = ("cost_share_of_retail_bill", "cost_eur", "least_charge", "days_recovered", "days_proved_impossible", "days")
PROMISES: Final = (
    "regime",
    "charge",
    "promised_profit_eur",
    "ac_profit_eur",
    "promised_welfare_eur",
    "ac_welfare_eur",
    "ac_loss_kwh",
    "ac_peak_loading",
    "voltage_max_pu",
    "days_compared",
    "days_with_a_power_flow",
)
_EFFORT: Final = ("system", "days", "variant_days", "charges", "loadings", "renewables", "sizes", "orders", "starts", "clearings", "nodes")
_WORDS: Final = ("claim", "regime", "in_words", "proof", "tariff", "mechanism", "charge_of", "played_under")
_NAMES: Final = {
    "charge": "charge (EUR/kWh)",
    "least_charge": "least charge (EUR/kWh)",
    "equilibrium_charge": "equilibrium charge (EUR/kWh)",
    "import_fee": "import fee (EUR/kWh)",
    "mean_distance": "distance of a traded kWh (1 = mean of pairs)",
}
_UNITS: Final = {"_eur": " (EUR)", "_kwh": " (kWh)"}


def page(
    *,
    config: Mapping[str, Any],
    tables: Mapping[str, Sequence[Row]],
    pictures: Mapping[str, Path],
    overview: Path,
    regimes: Sequence[str],
    efforts: Mapping[str, str],
) -> str:
    """Return the page.

    Args:
        config: Versions and commit.
        tables: By name.
        pictures: Files by ``SYSTEM-NAME``.
        overview: The picture of all systems.
        regimes: Columns of the table of regimes.
        efforts: What each system's numbers rest on, in words.
    """
    systems = list(efforts)
    parts = [
        "<h1>Network charges for peer-to-peer trading: the paper's study, reproduced and widened</h1>",
        f"<p>{html.escape(_subject(systems))}</p>",
        '<h2 class="first">What the paper claims, and what holds here</h2>',
        table(tables["claims"], ("system", "claim", "holds", "in_words")),
        picture(overview, "How much of Social P2P's welfare gain over No P2P each regime keeps, and how the equilibrium splits it."),
        '<h2 class="first">The four regimes</h2>',
        table(
            tables["regimes"],
            regimes,
            "Means per day. No P2P and Social P2P have no charge.",
        ),
    ]
    for system in systems:
        parts += _of_system(system, tables, pictures, efforts[system])
    parts += [
        "<h2>How it was made</h2>",
        table(tables["effort"], _EFFORT, "How much was asked of each system."),
        f"<pre>{html.escape(json.dumps(config, indent=1))}</pre>",
    ]
    return pages.page("gridtoll study", "\n".join(parts))


def _of_system(system: str, tables: Mapping[str, Sequence[Row]], pictures: Mapping[str, Path], effort: str) -> list[str]:
    parts = [f"<h2>{html.escape(system)}</h2>\n<p>{html.escape(effort)}</p>"]
    for name, path in pictures.items():
        if name.startswith(f"{system}-"):
            parts.append(picture(path, CAPTIONS.get(name.removeprefix(f"{system}-"), "")))
    for name, columns, caption in (
        ("charge_models", _MODELS, "Charge models, each at its own optimum or the best found; gaps are relative to revenue."),
        ("account_conclusions", _ACCOUNTS, "What the account of flows and an import fee change in the conclusions."),
        ("fairness", _FAIRNESS, "How evenly the gains over No P2P are spread."),
        ("cost_recovery", _RECOVERY, "The least charge whose profit covers a cost."),
        ("promises", PROMISES, "What regimes promise by a linear account, and what they come to by the AC power flow of all injections."),
    ):
        parts.append(table(only(tables[name], system=system), columns, caption))
    return parts


def _subject(systems: Sequence[str]) -> str:
    return (
        f"{', '.join(systems)}; distance charge for the day unless said otherwise. Money and energy are means per day. "
        "Loads, sun and wind are measured profiles; the price paths are synthetic. "
        "The model is that of Yang, Chen, Hu and Spanos, Optimal Network Charge for Peer-to-Peer Energy Trading: A Grid Perspective "
        "(2023); systems and numbers are gridtoll's own, so figures are not the paper's."
    )


def picture(path: Path, caption: str) -> str:
    """Return a picture that scrolls where the screen is too narrow to read it."""
    image = pages.picture(path.read_bytes(), "image/png", alt=path.stem.replace("-", " "))
    box = f'<div class="box" role="region" tabindex="0" aria-label="picture"><div style="min-width: 40rem">{image}</div></div>'
    return f"<figure>{box}<figcaption>{html.escape(caption)}</figcaption></figure>"


def table(rows: Sequence[Row], columns: Sequence[str], caption: str = "") -> str:
    """Return these columns of rows as a table with a caption, nothing where there are no rows."""
    if not rows:
        return ""
    words = [place for place, name in enumerate(columns) if name in _WORDS]
    texts = [[_text(row[name]) for name in columns] for row in rows]
    return pages.table([_header(name) for name in columns], texts, caption=caption, words=words)


def _header(name: str) -> str:
    """Return a column's name with its unit.

    >>> _header("welfare_eur")
    'welfare (EUR)'
    """
    unit = next((end for end in _UNITS if name.endswith(end)), "")
    return _NAMES.get(name, name.removesuffix(unit).replace("_", " ") + _UNITS.get(unit, ""))


def _text(value: Any) -> str:
    """Return a value for reading: whole thousands, and four digits of what is smaller."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1e}" if 0 < abs(value) < 1e-4 else f"{value:.4g}"
