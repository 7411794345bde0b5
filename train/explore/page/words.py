"""The page in words: the numbers of a day, notes and errors, as HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from ....envs.adapters.pictures.day_ahead import unit_of
from ....envs.arrays import Array
from ..background.leaders import Led, Walked
from ..background.proofs import Best
from ..model.by_hand import Hand, score
from ..model.played import ExploredDay
from ..model.problem import Problem

STYLE: Final = """
:host, .bk-clearfix { display: block; width: 100%; font-size: 14px; line-height: 1.45; }
h2 { font-size: 16px; margin: 4px 0 8px; }
p { margin: 4px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(132px, 1fr)); gap: 8px; margin-bottom: 10px; }
.tile { border: 1px solid #dcdcdc; border-radius: 6px; padding: 6px 10px; }
.tile span { display: block; color: #5a5a5a; font-size: 13px; }
.tile b { font-size: 17px; font-variant-numeric: tabular-nums; }
.alert { border-left: 4px solid #d55e00; background: #fdf1e9; padding: 6px 10px; overflow-wrap: anywhere; }
"""
"""Of what stands here, which the page around it does not reach."""

_HALF_A_CENT: Final = 0.005  # EUR; less is 0.00 on the page, and a score would be of nothing that can be seen
_LEARNER: Final = re.compile(r"^(recurrent-)?(sac|ppo|td3|tqc)\b")

Fact = tuple[str, str, str]
"""A name for styles and tests, what it is, and the number with its unit."""


def money(eur: float) -> str:
    """Return an amount in EUR for reading."""
    return f"{round(eur, 2) + 0.0:,.2f} EUR".replace("-", "\N{MINUS SIGN}")  # and no minus before 0.00


def facts_of(played: ExploredDay) -> list[Fact]:
    """Return the numbers of a day."""
    paid = played.outcome.settlement
    unit, per_unit = unit_of(played.problem.day)
    gain = played.gain_eur
    return [
        ("profit", "operator's profit", money(paid.profit_eur)),
        ("welfare", "welfare of all", money(paid.welfare_eur)),
        ("gain", "prosumers gain over no trade", money(float(gain.sum()))),
        ("traded", "traded", f"{paid.traded_kwh / per_unit:,.1f} {unit}h"),
        ("lost", "lost in the wires", f"{paid.loss_kwh / per_unit:,.3f} {unit}h"),
        ("peak", "greatest branch loading", f"{100 * paid.peak_loading:.1f} %" + ("" if paid.network_secure else ", overloaded")),
    ]


def tiles(facts: Sequence[Fact]) -> str:
    """Return facts side by side."""
    return '<div class="tiles">' + "".join(_tile(*fact) for fact in facts) + "</div>"


def _tile(name: str, what: str, value: str) -> str:
    return f'<div class="tile"><span>{escape(what)}</span><b class="{escape(name)}">{escape(value)}</b></div>'


def alert(text: str) -> str:
    """Return an error as it is shown."""
    return f'<div class="alert" role="alert">{escape(text)}</div>' if text else ""


def about_optimum(best: Best | None, played: ExploredDay, *, wait: str) -> str:
    """Return what is proved of the day, and how far today's charge is from it."""
    if best is None:
        return escape(wait)
    missed = best.goal_eur - played.outcome.reward_eur
    level = "" if played.problem.setting.n_charges == 1 else " (equal coefficients)"
    return (
        f"Certified optimum{level}: <b>{best.charge:.4f} EUR/kWh</b>, which earns {money(best.goal_eur)} (proved within "
        f"{best.clearings} clearings, {best.seconds:.1f} s). Your charge leaves <b class='missed'>{money(missed)}</b> of it."
    )


def about_leader(led: Led | None, best: Best | None, *, wait: str) -> str:
    """Return what a leader posts on the day."""
    if led is None:
        return escape(wait)
    posted = ", ".join(f"{charge:.4f}" for charge in led.charge[:4]) + (", …" if len(led.charge) > 4 else "")
    missed = "" if best is None else f", {money(best.goal_eur - led.goal_eur)} less than the optimum"
    return f"Leader ({escape(called(led.name))}): <b>{posted} EUR/kWh</b>, which earns {money(led.goal_eur)}{missed}."


def called(name: str) -> str:
    """Return a leader's name as it is read: ``sac`` is SAC, ``recurrent-ppo`` recurrent PPO; others stay as they are."""
    return _LEARNER.sub(lambda found: ("recurrent " if found[1] else "") + found[2].upper(), name)


def heading(text: str) -> str:
    """Return a heading."""
    return f"<h2>{escape(text)}</h2>"


def title_of(problem: Problem) -> str:
    """Return which day is looked at, in words."""
    community, scenario = problem.community, problem.scenario
    date = community.date(scenario.day)
    who = f"{community.name}, {community.n_prosumers} prosumers"
    return f"{who}, {date:%A} {date.isoformat()}, price path {scenario.price_path}"


def facts_of_hand(hand: Hand, walked: Mapping[str, Walked]) -> list[Fact]:
    """Return how the hourly game stands."""
    earned, hours = float(hand.earned_eur.sum()), hand.played
    what = "hours" if hand.problem.day.period_hours == 1 else "periods"
    facts = [("earned", "you have earned", money(earned)), ("hours", f"{what} posted", f"{hours} of {hand.problem.day.n_periods}")]
    facts += [("score", "your score so far", _score(hand, hand.earned_eur, walked))]
    if "leader" in walked:
        facts += [("leader", f"{called(walked['leader'].name)} by then", money(float(walked["leader"].earned_eur[:hours].sum())))]
    if "best" in walked:
        facts += [("best", "best known by then", money(float(walked["best"].earned_eur[:hours].sum())))]
    return facts


def _score(hand: Hand, earned_eur: Array, walked: Mapping[str, Walked]) -> str:
    if not hand.played or not {"zero", "best"} <= set(walked):
        return "\N{EM DASH}"
    zero, best = (float(walked[name].earned_eur[: hand.played].sum()) for name in ("zero", "best"))
    found = score(float(earned_eur[: hand.played].sum()), zero_eur=zero, best_eur=best) if best - zero > _HALF_A_CENT else None
    return "nothing to win yet" if found is None else f"{found:.1f} %".replace("-", "\N{MINUS SIGN}")


def about_others(walked: Mapping[str, Walked], why: Mapping[str, str]) -> list[str]:
    """Return what is known of who else plays the day."""
    lines = ["The score counts no charge as 0 % and the best known as 100 %, hour by hour up to now."]
    for role in ("best", "leader"):
        if role not in walked:
            lines.append(escape(why[role]))
            continue
        other = walked[role]
        of_leader = "" if role == "best" else f", a score of {_whole_score(other, walked)}"
        goes_on = "" if other.is_final else " The search for a better sequence goes on."
        name = called(other.name)
        bound = f" Proved: no leader earns more than {money(other.upper_bound_eur)}." if math.isfinite(other.upper_bound_eur) else ""
        lines.append(f"{escape(name[:1].upper() + name[1:])}: {money(other.total_eur)} over the whole day{of_leader}.{bound}{goes_on}")
    return lines


def _whole_score(other: Walked, walked: Mapping[str, Walked]) -> str:
    if not {"zero", "best"} <= set(walked):
        return "\N{HORIZONTAL ELLIPSIS}"
    found = score(other.total_eur, zero_eur=walked["zero"].total_eur, best_eur=walked["best"].total_eur)
    return "none: there is nothing to win" if found is None else f"{found:.1f} %"
