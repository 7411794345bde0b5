"""The page of a day: controls on one side, pictures that answer on the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
from bokeh.document import Document

from ....envs.adapters.pictures.day_ahead import unit_of
from ....envs.arrays import Array
from ....envs.errors import ClearingError
from ..background import proofs
from ..background.leaders import Led, led
from ..background.processes import Background
from ..figures.curve import CurvePicture
from ..figures.grid import GridPicture
from ..figures.power import PowerPicture
from ..figures.prosumers import ProsumersPicture
from ..model.played import ExploredDay, play
from ..model.problem import Problem
from ..model.reading import in_words, read_charge, read_fee, read_scenario
from ..model.tables import busiest
from . import words
from .asking import Asking
from .begun import Begun
from .controls import (
    FLOWS,
    charge_slider,
    charge_text,
    day_controls,
    fee_slider,
    fee_text,
    rule_controls,
    storage_slider,
    text_box,
    time_slider,
)

PAUSE_MS: Final = 8
"""How long changes are collected before they are answered together: a slider that is drawn sends many."""


class DayPage:
    """A page of a day.

    Args:
        document: Where it is put.
        begun: What it begins with.
        background: Works out what takes longer.
    """

    def __init__(self, document: Document, begun: Begun, background: Background) -> None:
        self._document, self._begun = document, begun
        self._asking = Asking(background, document)
        self.problem, self.charge = begun.problem, np.array([begun.charge])
        self.played: ExploredDay | None = None
        self._free: Array | None = None
        self._best: proofs.Best | None = None
        self._led: Led | None = None
        self._due = self._setting = False
        self._make_controls()
        self._make_pictures()
        for root in self._roots():
            document.add_root(root)
        self.answer()

    def _make_controls(self) -> None:
        problem, cap = self.problem, self.problem.setting.charge_cap
        community, day = problem.community, problem.day
        self.charge_slider, self.charge_text = charge_slider(cap, self._begun.charge), charge_text(self._begun.charge)
        self.day_slider, self.day_text, self.price_path = day_controls(community, *problem.scenario)
        self.storage = storage_slider(community)
        self.fee_slider, self.fee_text = fee_slider(day.import_fee, cap), fee_text(day.import_fee)
        self.tariff, self.mechanism, self.flows, self._flows_title = rule_controls(problem.spec)
        self.period = time_slider(day.n_periods, day.period_hours)
        self.alert, self.facts, self.about = (text_box(name) for name in ("alert", "facts", "about"))
        self._on(self.charge_slider, lambda value: self._set_charge(np.array([value])))
        self._on(self.charge_text, lambda text: self._set_charge(read_charge(text, self.problem.setting)))
        for control in (self.day_slider, self.day_text, self.price_path):
            self._on(control, partial(self._set_day, by_text=control is not self.day_slider))
        self._on(self.storage, lambda value: self._set(replace(self.problem, storage=round(float(value), 3))))
        self._on(self.fee_slider, lambda value: self._set_spec(import_fee=float(value)))
        self._on(self.fee_text, lambda text: self._set_spec(import_fee=read_fee(text)))
        self._on(self.tariff, lambda name: self._set_spec(tariff=name))
        self._on(self.mechanism, lambda name: self._set_spec(mechanism=name))
        self._on(self.flows, lambda number: self._set_spec(flows=FLOWS[number]), attribute="active")
        self._on(self.period, lambda _: None)

    def _make_pictures(self) -> None:
        problem, day = self.problem, self.problem.day
        unit, _ = unit_of(day)
        self._grid = GridPicture(unit, day.n_prosumers)
        self._power = PowerPicture(unit, day.n_periods * day.period_hours, day.n_periods)
        self._curve = CurvePicture(problem.spec.objective, problem.setting.charge_cap)
        self._prosumers = ProsumersPicture(day.n_prosumers)

    def _roots(self) -> list[Any]:
        """Return everything on the page, each of which the template has a place for by its name."""
        pictures: dict[str, Any] = {"grid": self._grid, "power": self._power, "curve": self._curve, "prosumers": self._prosumers}
        for name, picture in pictures.items():
            picture.figure.name = name
        self._flows_title.name = "flows-title"
        return [
            *(self.charge_slider, self.charge_text, self.day_slider, self.day_text, self.price_path, self.storage, self.fee_slider),
            *(self.fee_text, self.tariff, self.mechanism, self._flows_title, self.flows, self.period, self.alert, self.facts, self.about),
            *(picture.figure for picture in pictures.values()),
        ]

    def _on(self, control: Any, act: Callable[[Any], None], *, attribute: str = "value") -> None:
        """Have a control act, unless the page itself has set it; what it cannot be set to is said in words."""

        def changed(_: str, __: Any, value: Any) -> None:
            if self._setting:
                return
            try:
                act(value)
            except ValueError as error:
                self._say(error)
                return
            self._soon()

        control.on_change(attribute, changed)

    def _set_charge(self, charge: Array) -> None:
        self.charge = charge

    def _set_day(self, _: Any, *, by_text: bool) -> None:
        day = self.day_text.value if by_text else str(round(float(self.day_slider.value)))
        scenario = read_scenario(day, self.price_path.value, self.problem.setting)
        self._set(replace(self.problem, scenario=scenario))

    def _set_spec(self, **changes: Any) -> None:
        problem = replace(self.problem, spec=self.problem.spec.changed(**changes))
        if problem.setting.n_charges != self.problem.setting.n_charges:
            self.charge = np.array([self.charge.mean()])
        self._set(problem)

    def _set(self, problem: Problem) -> None:
        self.problem = problem

    def _soon(self) -> None:
        """Answer what has changed, together with what changes right after."""
        if not self._due:
            self._due = True
            self._document.add_timeout_callback(self.answer, PAUSE_MS)

    def answer(self) -> None:
        """Clear the day as the controls stand, and draw it."""
        self._due = False
        try:
            played = play(self.problem, self.charge)
        except (ValueError, ClearingError) as error:
            self._say(error)
            return
        is_new = self.played is None or self.played.problem != self.problem
        self.played = played
        self._warn("")
        if is_new:
            self._forget()
        self._follow(played, is_new=is_new)
        self._draw(played)
        if is_new:
            self._ask()

    def _follow(self, played: ExploredDay, *, is_new: bool) -> None:
        """Have every control stand where the page is."""
        self._setting = True
        try:
            self.charge_slider.value = played.level
            self.charge_text.value = ", ".join(f"{charge:.4g}" for charge in (played.charge if not played.is_level else played.charge[:1]))
            if is_new:
                self.day_slider.value, path = self.problem.scenario
                self.day_text.value, self.price_path.value = str(self.day_slider.value), str(path)
                fee = played.problem.day.import_fee
                self.fee_slider.end = max(self.fee_slider.end, fee)
                self.fee_slider.value, self.fee_text.value = fee, f"{fee:g}"
                self.period.value = busiest(played)
        finally:
            self._setting = False

    def _draw(self, played: ExploredDay) -> None:
        period = round(float(self.period.value))
        self._grid.show(played, period)
        self._power.show(played.problem.day, played.outcome.clearing)
        self._curve.now(played)
        self._prosumers.show(played, self._free)
        self.facts.text = words.heading(words.title_of(played.problem)) + words.tiles(words.facts_of(played))
        self._tell()

    def _tell(self) -> None:
        """Say what is known of the optimum and of the leader."""
        if self.played is not None:
            best = words.about_optimum(self._best, self.played, wait=self._wait_best)
            leader = words.about_leader(self._led, self._best, wait=self._wait_led)
            self.about.text = f'<p class="about-optimum">{best}</p><p class="about-leader">{leader}</p>'

    def _forget(self) -> None:
        """Take from the page what was worked out for another day."""
        self._free = self._best = self._led = None
        self._wait_best, self._wait_led = "The optimum is being worked out …", "The leader's choice is being worked out …"
        self._curve.sampled(None)
        self._curve.best(None)
        self._curve.band(None)
        self._curve.led(None)

    def _ask(self) -> None:
        """Ask for what takes longer."""
        ask, problem = self._asking, self.problem
        ask.newer("curves")
        ask.newer("leaders")
        ask.ask("curves", proofs.sampled, problem, then=self._sampled, failed=self._no_best)
        if problem.is_exact:
            ask.ask("curves", proofs.best, problem, then=self._proved, failed=self._no_best)
            ask.ask("curves", proofs.band, problem, then=self._curve.band, failed=self._no_best)
        else:
            self._no_best("Nothing is proved of an optimum: that takes the exact market and linear flows.")
        ask.ask("leaders", led, self._begun.leader, self._begun.problem.spec, problem, then=self._chosen, failed=self._no_led)

    def _sampled(self, found: proofs.Sampled) -> None:
        self._free = found.free_eur
        self._curve.sampled(found)
        if self.played is not None:
            self._prosumers.show(self.played, self._free)

    def _proved(self, found: proofs.Best) -> None:
        self._best = found
        self._curve.best(found)
        self._tell()

    def _chosen(self, found: Led) -> None:
        self._led = found
        self._curve.led(found)
        self._tell()

    def _no_best(self, why: str) -> None:
        self._wait_best = why
        self._tell()

    def _no_led(self, why: str) -> None:
        self._wait_led = f"No leader is drawn: {why}"
        self._tell()

    def _say(self, error: Exception) -> None:
        self._warn(in_words(error))

    def _warn(self, text: str) -> None:
        """Say what is wrong, or nothing."""
        self.alert.text, self.alert.visible = words.alert(text), bool(text)
