"""The controls of the pages, and what a person has set them to."""

from __future__ import annotations

from typing import Any, Final

from bokeh.models import CustomJSTickFormatter, Div, InlineStyleSheet, RadioButtonGroup, Select, Slider, TextInput

from ....envs.account.settlement import Flows
from ....envs.account.tariff import TARIFF_NAMES
from ....envs.community.community import Community
from ....envs.games.spec import GameSpec
from ....envs.market.mechanism import EXACT, MECHANISMS
from ..model.problem import MOST_STORAGE
from .words import STYLE

FLOWS: Final[tuple[Flows, ...]] = ("trades", "injections")
_QUICK: Final = (EXACT, "call-auction")
"""Mechanisms that answer while a slider is drawn; another is offered where the page was begun with it."""


def slider(title: str, *, end: float, value: float, step: float, form: Any = "0[.]000", **more: Any) -> Slider:
    """Return a slider from 0 that is as wide as its place."""
    return Slider(title=title, start=0, end=end, value=value, step=step, format=form, sizing_mode="stretch_width", **more)


def text_box(name: str) -> Div:
    """Return where the page says something."""
    return Div(stylesheets=[InlineStyleSheet(css=STYLE)], sizing_mode="stretch_width", name=name)


def time_slider(n_periods: int, period_hours: float) -> Slider:
    """Return the slider of the period that the grid is drawn in; it says when that begins."""
    code = "const at = Math.round(tick * minutes); return [at / 60, at % 60].map(n => String(Math.floor(n)).padStart(2, '0')).join(':')"
    form = CustomJSTickFormatter(code=code, args={"minutes": 60.0 * period_hours})
    return slider("Time drawn in the grid", end=max(n_periods - 1, 1), value=0, step=1, form=form, name="period")


def charge_slider(cap: float, value: float) -> Slider:
    """Return the slider of the charge."""
    return slider("Charge, EUR/kWh", end=cap, value=value, step=cap / 1000, form="0.000", name="charge")


def charge_text(value: float) -> TextInput:
    """Return where a charge is typed."""
    return TextInput(title="", value=f"{value:.4g}", sizing_mode="stretch_width", name="charge-text")


def day_controls(community: Community, day: int, price_path: int) -> tuple[Slider, TextInput, Select]:
    """Return the slider of the day, where it is typed, and the price path."""
    drawn = slider("Day", end=max(community.n_days - 1, 1), value=day, step=1, form="0", name="day")
    drawn.disabled = community.n_days == 1
    typed = TextInput(title="", value=str(day), sizing_mode="stretch_width", name="day-text")
    paths = [str(path) for path in range(community.n_price_paths)]
    return drawn, typed, Select(title="Price path", value=str(price_path), options=paths, sizing_mode="stretch_width", name="price-path")


def storage_slider(community: Community) -> Slider:
    """Return the slider of the batteries, off at 0."""
    made = slider("Batteries, times what there is (0: off)", end=MOST_STORAGE, value=1.0, step=0.1, form="0.0", name="storage")
    made.disabled = not (community.storage_power > 0).any()
    return made


def fee_text(fee: float) -> TextInput:
    """Return where the import fee is typed."""
    return TextInput(title="", value=f"{fee:g}", sizing_mode="stretch_width", name="fee-text")


def fee_slider(fee: float, cap: float) -> Slider:
    """Return the slider of the import fee."""
    return slider("Import fee, EUR/kWh", end=max(0.1 * cap, 2 * fee), value=fee, step=0.001 * cap, form="0.000", name="fee")


def rule_controls(spec: GameSpec) -> tuple[Select, Select, RadioButtonGroup, Div]:
    """Return the tariff, the mechanism and the account of flows, the last with its title."""
    tariff = Select(
        title="Tariff: what is charged", value=spec.tariff, options=list(TARIFF_NAMES), sizing_mode="stretch_width", name="tariff"
    )
    known = [name for name in MECHANISMS.names() if name in _QUICK]
    names = [*known, *([] if spec.mechanism in known else [spec.mechanism])]
    mechanism = Select(title="Mechanism: what clears", value=spec.mechanism, options=names, sizing_mode="stretch_width", name="mechanism")
    title = Div(text="The operator answers for the flows of", sizing_mode="stretch_width", margin=(5, 5, 0, 5))
    labels = ["trades", "all injections"]
    flows = RadioButtonGroup(labels=labels, active=FLOWS.index(spec.flows), sizing_mode="stretch_width", name="flows")
    return tariff, mechanism, flows, title
