"""The study as one HTML page that needs nothing beside it: tables, and pictures inlined."""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .tables import Row, only

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 0.8rem; margin: 0.8rem 0; display: block; overflow-x: auto; }
th, td { padding: 0.2rem 0.6rem; border-bottom: 1px solid #ccc; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, td.words { text-align: left; }
td.words { white-space: normal; }
figure { margin: 1rem 0; } figcaption { font-size: 0.85rem; color: #444; }
pre { font-size: 0.75rem; background: #f4f4f4; padding: 0.8rem; overflow-x: auto; }
"""

CAPTIONS: Final = {
    "regimes": "The four regimes. Losses and trades are the community's; welfare is prosumers' surplus and operator's profit together.",
    "charge": "Each curve is a mean over the days; the mean of the days' best charges need not be the best charge of the mean curve.",
    "charge-models": "Profit of zonal and line charges is the best found; the whisker ends at a bound that no coefficients exceed.",
    "limits": "Branch limits are tightened until Free P2P loads the worst branch as the legend says. "
    "Means are over the days on which an instrument is possible.",
    "accounts": "Flows of trades, or of all that enters the wires; the operator earns nothing, or a fee, on each kWh imported.",
    "scaling": "Sun and wind are multiplied; communities of part of the prosumers are nested in seeded orders.",
    "costs": "Left: losses shared out four ways (Shapley up to 12 prosumers), beside the charges. Right: the least charge, and on how many "
    "days there is one; for the others it is proved that there is none, or neither.",
    "prosumers": "By the market's prices nobody has less than without it.",
}
"""What to say below each picture, by the end of its name."""


def page(
    *, config: Mapping[str, Any], tables: Mapping[str, Sequence[Row]], pictures: Mapping[str, Path], overview: Path, regimes: Sequence[str]
) -> str:
    """Return the page.

    Args:
        config: Configuration, versions and commit.
        tables: By name.
        pictures: Files by ``SYSTEM-NAME``.
        overview: The picture of all systems.
        regimes: Columns of the table of regimes.
    """
    systems = list(dict.fromkeys(row["system"] for row in tables["regimes"]))
    parts = [
        "<h1>Network charges for peer-to-peer trading: the paper's study, reproduced and widened</h1>",
        f"<p>{html.escape(_subject(config, systems))}</p>",
        "<h2>What the paper claims, and what holds here</h2>",
        _table(tables["claims"], ("system", "claim", "holds", "in_words")),
        _picture(overview, "How much of Social P2P's welfare gain over No P2P each regime keeps, and how the equilibrium splits it."),
        "<h2>The four regimes</h2>",
        _table(tables["regimes"], regimes),
    ]
    for system in systems:
        parts.append(f"<h2>{html.escape(system)}</h2>")
        for name, path in pictures.items():
            if name.startswith(f"{system}-"):
                parts.append(_picture(path, CAPTIONS.get(name.removeprefix(f"{system}-"), "")))
        parts.append(_table(only(tables["charge_models"], system=system), ("tariff", *_MODEL_COLUMNS)))
        parts.append(_table(only(tables["fairness"], system=system)))
        parts.append(_table(only(tables["cost_recovery"], system=system)))
    parts += ["<h2>How it was made</h2>", f"<pre>{html.escape(json.dumps(config, indent=1))}</pre>"]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>gridtoll paper</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


_MODEL_COLUMNS: Final = (
    "coefficients",
    "operator_profit_eur",
    "upper_bound_eur",
    "relative_gap",
    "welfare_eur",
    "loss_kwh",
    "traded_kwh",
    "mean_distance",
)


def _subject(config: Mapping[str, Any], systems: Sequence[str]) -> str:
    return (
        f"{', '.join(systems)}; {config['effort']['days']} days of each, spread over the test split; distance charge for the day unless "
        "said otherwise. Money and energy are means per day. Loads, sun and wind are measured profiles; the price paths are synthetic. "
        "The model is that of Yang, Chen, Hu and Spanos, Optimal Network Charge for Peer-to-Peer Energy Trading: A Grid Perspective "
        "(2023); systems and numbers are gridtoll's own, so figures are not the paper's."
    )


def _picture(path: Path, caption: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    alt = html.escape(path.stem.replace("-", " "))
    return f'<figure><img alt="{alt}" src="data:image/png;base64,{data}"><figcaption>{html.escape(caption)}</figcaption></figure>'


def _table(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    if not rows:
        return ""
    names = list(columns or rows[0])
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in names)
    lines = "\n".join("<tr>" + "".join(_cell(name, row[name]) for name in names) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>\n{lines}</table>"


def _cell(name: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "<td></td>"
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    text = f"{value:,.5g}" if isinstance(value, float) else str(value)
    return f"<td{' class=words' if name == 'in_words' else ''}>{html.escape(text)}</td>"
