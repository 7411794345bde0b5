"""The pages without a server: what a control does, and what is drawn of what was worked out beside the page."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bokeh.document import Document
from bokeh.events import ButtonClick
from pages import AtOnce, Waiting, begun_with, let_go_on, problem_of

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.market.solvers import make_market
from gridtoll.train.explore.background.leaders import led
from gridtoll.train.explore.page.day_page import DayPage
from gridtoll.train.explore.page.hour_page import HourPage
from gridtoll.train.explore.page.words import called, money
from gridtoll.train.explore.server import application_of


def day_page(community: str = "two-prosumers", *, leader: str = "constant:0.3", **game: Any) -> tuple[DayPage, Document]:
    document = Document()
    page = DayPage(document, begun_with(problem_of(community, **game), leader=leader), AtOnce())
    let_go_on(document)
    return page, document


def hour_page(**begun: Any) -> tuple[HourPage, Document]:
    document = Document()
    page = HourPage(document, begun_with(problem_of("two-prosumers"), **begun), AtOnce())
    let_go_on(document)
    return page, document


def fact(html: str, name: str) -> str:
    found = re.search(f'<b class="{name}">([^<]*)</b>', html)
    assert found is not None, html
    return found[1]


def click(button: Any) -> None:
    button._trigger_event(ButtonClick(button))


def test_a_moved_slider_is_answered_and_the_typed_charge_follows() -> None:
    page, document = day_page()
    before = fact(page.facts.text, "profit")
    page.charge_slider.value = 0.1
    let_go_on(document)
    assert fact(page.facts.text, "profit") != before
    assert page.charge_text.value == "0.1"
    page.charge_text.value = "0.3"
    let_go_on(document)
    assert page.charge_slider.value == pytest.approx(0.3)


def test_many_changes_at_once_are_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    page, document = day_page()
    answered: list[float] = []
    monkeypatch.setattr(page, "_draw", lambda played: answered.append(played.level))
    for charge in (0.1, 0.2, 0.3, 0.4):
        page.charge_slider.value = charge
    let_go_on(document)
    assert answered == [0.4]


@pytest.mark.parametrize(
    ("control", "text", "words"),
    [
        ("charge_text", "1.7", "charges must be between 0 and the cap of 1 EUR/kWh, got 1.7"),
        ("charge_text", "a lot", "charges must be numbers in EUR/kWh"),
        ("day_text", "400", "--day must be a whole number from 0 to 365, got 400."),
        ("fee_text", "-1", "--import-fee must be a finite number of at least 0 in EUR/kWh, got -1.0."),
    ],
)
def test_what_cannot_be_is_said_and_the_day_stays_as_it_is(control: str, text: str, words: str) -> None:
    page, document = day_page()
    before = page.facts.text
    getattr(page, control).value = text
    let_go_on(document)
    assert words in page.alert.text
    assert page.alert.visible
    assert page.facts.text == before
    page.charge_slider.value = 0.11
    let_go_on(document)
    assert not page.alert.visible


def test_the_optimum_the_curve_and_the_leader_are_drawn_for_the_day() -> None:
    page, _ = day_page()
    setting, day = page.problem.setting, page.problem.day
    best = solve_optimum(day, page.problem.community.network, setting.tariff, cap=1.0, market=make_market())
    assert f"<b>{best.charge:.4f} EUR/kWh</b>" in page.about.text
    assert "Leader (constant:0.3): <b>0.3000 EUR/kWh</b>" in page.about.text
    assert page._curve._best.data["x"] == [pytest.approx(best.charge)]
    assert page._curve._led.data["x"] == [pytest.approx(0.3)]
    assert np.max(page._curve._exact.data["y"]) <= best.upper_bound_eur + 1e-9
    assert page._curve._bound.visible


def test_another_day_is_asked_for_anew_and_the_charge_stays() -> None:
    page, document = day_page()
    before = page._curve._best.data["x"]
    page.day_text.value = "20"
    let_go_on(document)
    assert page._curve._best.data["x"] != before
    assert page.day_slider.value == 20
    assert page.charge_slider.value == pytest.approx(0.2)
    assert "2016-01-21" in page.facts.text


def test_every_rule_can_be_changed() -> None:
    page, document = day_page("ieee9")
    shown = {fact(page.facts.text, "profit")}
    for control, attribute, value in (
        (page.tariff, "value", "zonal"),
        (page.flows, "active", 1),
        (page.storage, "value", 0.0),
        (page.fee_slider, "value", 0.05),
        (page.mechanism, "value", "call-auction"),
        (page.price_path, "value", "1"),
    ):
        setattr(control, attribute, value)
        let_go_on(document)
        assert not page.alert.visible, page.alert.text
        shown.add(fact(page.facts.text, "profit"))
    assert len(shown) == 7
    assert "Nothing is proved of an optimum" in page.about.text


def test_charges_of_several_coefficients_can_be_typed() -> None:
    page, document = day_page("ieee9", tariff="zonal")
    level = fact(page.facts.text, "profit")
    page.charge_text.value = "0.1,0.3"
    let_go_on(document)
    assert fact(page.facts.text, "profit") != level
    assert page.charge_text.value == "0.1, 0.3"
    assert page.charge_slider.value == pytest.approx(0.2)
    assert "(equal coefficients)" in page.about.text


def test_a_leader_that_cannot_play_is_said_not_to() -> None:
    page, _ = day_page(leader="no/such.onnx")
    assert "No leader is drawn: " in page.about.text
    assert "no/such.onnx" in page.about.text
    with pytest.raises(ValueError, match="held out"):
        led("grid-constant", problem_of("simbench-rural2").spec, problem_of("simbench-rural2"), lambda: None)


def test_a_page_that_was_closed_asks_nothing_more_and_takes_no_answer() -> None:
    background = Waiting()
    application = application_of("/", begun_with(problem_of("two-prosumers")), background)
    document = application.create_document()
    assert len(background.futures) == 4
    session: Any = SimpleNamespace(_document=document)
    asyncio.run(application.on_session_destroyed(session))
    for future in background.futures:
        future.set_result(None)
    assert len(document.session_callbacks) == 0


def test_an_hour_is_posted_scored_and_taken_back() -> None:
    page, document = hour_page(hourly_leader="constant:0.1")
    assert fact(page.facts.text, "hours") == "0 of 24"
    click(page.post)
    assert fact(page.facts.text, "hours") == "1 of 24"
    assert page.post.label == "Post the charge for 01:00"
    page.charge_text.value = "0.3"
    click(page.rest)
    assert page.post.disabled
    assert fact(page.facts.text, "score").endswith("%")
    assert "Constant:0.1: " in page.about.text
    click(page.back)
    assert fact(page.facts.text, "hours") == "23 of 24"
    click(page.again)
    assert fact(page.facts.text, "hours") == "0 of 24"
    page.charge_text.value = "7"
    click(page.post)
    assert "charges must be between 0 and the cap of 1 EUR/kWh, got 7.0" in page.alert.text
    page.day_text.value = "999"
    let_go_on(document)
    assert "--day must be a whole number from 0 to 365, got 999." in page.alert.text


def test_playing_the_best_found_scores_100_and_without_a_leader_it_is_said() -> None:
    page, _ = hour_page()
    assert "start with --hourly-leader" in page.about.text
    best = page._walked["best"]
    assert best.is_final
    for charge in best.charges:
        page.charge_text.value = repr(float(charge[0]))
        click(page.post)
    assert fact(page.facts.text, "score") == "100.0 %"
    assert float(page._earned._sources["best"].data["y"][-1]) == pytest.approx(best.total_eur)


@pytest.mark.parametrize(
    ("name", "read"),
    [("sac", "SAC"), ("sac 0", "SAC 0"), ("recurrent-ppo", "recurrent PPO"), ("best-constant", "best-constant"), ("sacred", "sacred")],
)
def test_learners_are_called_as_their_authors_write_them(name: str, read: str) -> None:
    assert called(name) == read


def test_nothing_is_written_without_a_minus_and_a_loss_with_one() -> None:
    assert [money(eur) for eur in (-0.004, 0.0, -1234.5)] == ["0.00 EUR", "0.00 EUR", "\N{MINUS SIGN}1,234.50 EUR"]


def test_the_best_found_is_hidden_until_the_day_is_over_or_it_is_asked_for() -> None:
    page, _ = hour_page()
    assert len(page._charges._sources["best"].data["x"]) == 0
    page.reveal.active = True
    assert len(page._charges._sources["best"].data["x"]) == 48
