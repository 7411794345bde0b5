"""The page of the hourly game: a person posts each hour's charge, beside a leader and the best found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from bokeh.document import Document
from bokeh.models import Button, Checkbox

from ....envs.adapters.pictures.day_ahead import unit_of
from ....envs.errors import ClearingError
from ..background.leaders import Walked, walked_at_optimum, walked_best, walked_by_leader, walked_level
from ..background.processes import KINDS, Background
from ..figures.hours import ChargesPicture, EarnedPicture, StoredPicture, planned_shade
from ..figures.power import PowerPicture
from ..model.by_hand import Hand, begin
from ..model.problem import Problem
from ..model.reading import in_words, read_charge, read_scenario
from ..model.tables import clock
from . import words
from .asking import Asking
from .begun import Begun
from .controls import charge_slider, charge_text, day_controls, storage_slider, text_box

NOBODY: Final = (
    "No leader plays beside you: start with --hourly-leader and a run of `gridtoll train --env hourly` (SAC, say), or its ONNX file."
)


class HourPage:
    """A page of the hourly game.

    Args:
        document: Where it is put.
        begun: What it begins with.
        background: Searches for the best sequence, and lets the leader play.
    """

    def __init__(self, document: Document, begun: Begun, background: Background) -> None:
        self._document, self._begun = document, begun
        self._asking = Asking(background, document)
        self.problem = begun.problem
        self.hand: Hand = begin(self.problem)
        self._walked: dict[str, Walked] = {}
        self._why: dict[str, str] = {}
        self._setting = False
        self._make_controls()
        self._make_pictures()
        for root in self._roots():
            document.add_root(root)
        self._begin()

    def _make_controls(self) -> None:
        problem, cap = self.problem, self.problem.setting.charge_cap
        self.charge_slider, self.charge_text = charge_slider(cap, self._begun.charge), charge_text(self._begun.charge)
        self.day_slider, self.day_text, self.price_path = day_controls(problem.community, *problem.scenario)
        self.storage = storage_slider(problem.community)
        self.post, self.rest, self.back, self.again = (
            Button(label=label, button_type=kind, sizing_mode="stretch_width", name=name)
            for name, label, kind in (
                ("post", "", "primary"),
                ("rest", "Post it for the rest of the day", "default"),
                ("back", "Take the last one back", "default"),
                ("again", "Begin the day again", "default"),
            )
        )
        self.reveal = Checkbox(label="Show what the best found posts", active=False, name="reveal")
        self.alert, self.facts, self.about = (text_box(name) for name in ("alert", "facts", "about"))
        self.charge_slider.on_change("value", lambda _, __, value: self._follow_slider(value))
        for control in (self.day_slider, self.day_text, self.price_path):
            self._on(control, partial(self._set_day, by_text=control is not self.day_slider))
        self._on(self.storage, lambda: self._set(replace(self.problem, storage=round(float(self.storage.value), 3))))
        self.post.on_click(self.post_hour)
        self.rest.on_click(lambda: self._try(lambda: self.hand.post_to_the_end(self._charge())))
        self.back.on_click(lambda: self._try(self.hand.back))
        self.again.on_click(lambda: self._try(lambda: begin(self.problem)))
        self.reveal.on_change("active", lambda _, __, ___: self._draw())

    def _make_pictures(self) -> None:
        day = self.problem.day
        hours, (unit, _) = day.n_periods * day.period_hours, unit_of(day)
        self._charges, self._stored = ChargesPicture(hours), StoredPicture(hours)
        self._earned = EarnedPicture(hours)
        self._power = PowerPicture(unit, hours, day.n_periods)
        self._shades = [planned_shade(made) for made in (self._power.figure, self._stored.figure)]

    def _roots(self) -> list[Any]:
        pictures: dict[str, Any] = {"charges": self._charges, "earned": self._earned, "power": self._power, "stored": self._stored}
        for name, picture in pictures.items():
            picture.figure.name = name
        return [
            *(self.charge_slider, self.charge_text, self.day_slider, self.day_text, self.price_path, self.storage),
            *(self.post, self.rest, self.back, self.again, self.reveal, self.alert, self.facts, self.about),
            *(picture.figure for picture in pictures.values()),
        ]

    def _on(self, control: Any, act: Callable[[], None]) -> None:
        """Have a control act, unless the page itself has set it."""

        def changed(_: str, __: Any, ___: Any) -> None:
            if not self._setting:
                self._guarded(act)

        control.on_change("value", changed)

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do something, and say in words what it cannot be done with."""
        try:
            act()
        except (ValueError, ClearingError) as error:
            self._warn(in_words(error))
        else:
            self._warn("")

    def _try(self, act: Callable[[], Hand]) -> None:
        def play() -> None:
            self.hand = act()
            self._draw()

        self._guarded(play)

    def post_hour(self) -> None:
        """Post the typed charge for the hour at hand, and draw what comes of it; what cannot be is said."""
        self._try(lambda: self.hand.post(self._charge()))

    def _charge(self) -> Any:
        return read_charge(self.charge_text.value, self.problem.setting)

    def _follow_slider(self, value: float) -> None:
        self.charge_text.value = f"{value:.4g}"

    def _set_day(self, *, by_text: bool) -> None:
        day = self.day_text.value if by_text else str(round(float(self.day_slider.value)))
        self._set(replace(self.problem, scenario=read_scenario(day, self.price_path.value, self.problem.setting)))

    def _set(self, problem: Problem) -> None:
        if problem != self.problem:
            self.problem, self.hand = problem, begin(problem)
            self._begin()

    def _begin(self) -> None:
        """Draw a day before its first hour, and ask who else plays it."""
        self._setting = True
        self.day_slider.value, path = self.problem.scenario
        self.day_text.value, self.price_path.value = str(self.day_slider.value), str(path)
        self._setting = False
        self._walked = {}
        leader = self._begun.hourly_leader
        self._why = {"best": "The best sequence is being searched for …", "leader": "The leader plays …" if leader else NOBODY}
        self._draw()
        for kind in KINDS:
            self._asking.newer(kind)
        self._ask("curves", "zero", walked_level, self.problem, 0.0, "no charge")
        if self.problem.is_exact:
            self._ask("curves", "best", walked_at_optimum, self.problem)
            self._ask("curves", "best", walked_best, self.problem)
        else:
            self._why["best"] = "No best sequence is searched for: that takes the exact market and linear flows."
        if leader:
            self._ask("leaders", "leader", walked_by_leader, leader, self.problem)

    def _ask(self, kind: Any, role: str, job: Callable[..., Walked], *arguments: Any) -> None:
        def arrived(walked: Walked) -> None:
            if walked.is_final or role not in self._walked:
                self._walked[role] = walked
                self._draw()

        def failed(why: str) -> None:
            self._why[role] = why
            self._draw()

        self._asking.ask(kind, job, *arguments, then=arrived, failed=failed)

    def _draw(self) -> None:
        """Draw the game as far as it has come."""
        hand, day = self.hand, self.problem.day
        shown = {role: walked for role, walked in self._walked.items() if role == "leader" or (role == "best" and self._is_told)}
        self._charges.show(hand, shown)
        self._earned.show(hand, shown)
        self._stored.show(hand)
        self._power.show(day, hand.day_so_far())
        for shade in self._shades:
            shade.left, shade.visible = hand.played * day.period_hours, not hand.over
        self.post.label = "The day is over" if hand.over else f"Post the charge for {clock(day, hand.played)}"
        self.post.disabled = self.rest.disabled = hand.over
        self.back.disabled = self.again.disabled = not hand.played
        self.facts.text = words.heading(words.title_of(self.problem)) + words.tiles(words.facts_of_hand(hand, self._walked))
        self.about.text = "".join(f"<p>{line}</p>" for line in words.about_others(self._walked, self._why))

    @property
    def _is_told(self) -> bool:
        """Whether the best found is shown: where the day is over, or the person wants to see it."""
        return self.hand.over or bool(self.reveal.active)

    def _warn(self, text: str) -> None:
        """Say what is wrong, or nothing."""
        self.alert.text, self.alert.visible = words.alert(text), bool(text)
