"""Pictures of hourly episodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridtoll.envs import HourlyEnv
from gridtoll.envs.adapters.pictures.animation import write_animation
from gridtoll.envs.adapters.pictures.hourly import Beside, _said_of, animate, hourly_picture


def test_every_hour_has_a_picture_of_its_own() -> None:
    env = HourlyEnv("ieee9", render_mode="rgb_array", tariff="zonal", days=2)
    env.reset(options={"day": 170})
    pictures = [env.render()]
    for number in range(26):
        env.step([0.1, 0.02])
        if number in (0, 9, 23, 24):
            pictures.append(env.render())
    assert all(picture is not None and picture.shape == (800, 1200, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures if picture is not None}) == 5


def test_a_day_is_written_as_an_animation(tmp_path: Path) -> None:
    env = HourlyEnv("two-prosumers", tariff="line")
    earned = animate(env, np.full((24, 1), 0.1)[:4].tolist(), tmp_path / "day.gif", day=170)
    assert earned == pytest.approx(sum(played.outcome.settlement.profit_eur for played in env.played))
    written = (tmp_path / "day.gif").read_bytes()
    assert written.startswith(b"GIF89a")
    assert written.count(b"\x21\xf9\x04") == 4  # each picture has a control block


def test_the_same_hour_looks_the_same() -> None:
    env = HourlyEnv("two-prosumers")
    env.reset(options={"day": 170})
    for _ in range(12):
        env.step([0.2])
    assert np.array_equal(hourly_picture(env), hourly_picture(env))


def test_an_animation_has_a_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        write_animation(tmp_path / "none.gif", [])


def test_the_best_known_charges_are_drawn_beside_the_leader_s(tmp_path: Path) -> None:
    env = HourlyEnv("two-prosumers")
    env.reset(options={"day": 170})
    env.step([0.2])
    charges = np.linspace(0.0, 0.3, 24)[:, None]
    best, bounded = (
        Beside(name="best found", charges=charges, earned_eur=4.0),
        Beside(name="optimum", charges=charges, earned_eur=4.0, upper_bound_eur=4.1),
    )
    pictures = [hourly_picture(env), hourly_picture(env, beside=best), hourly_picture(env, beside=bounded)]
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert "no leader more than 4.10 EUR" in _said_of(bounded)
    assert "no leader" not in _said_of(best)
    animate(env, [[0.2]] * 2, tmp_path / "day.gif", day=170, beside=best)
    animate(env, [[0.2]] * 2, tmp_path / "alone.gif", day=170)
    assert (tmp_path / "day.gif").read_bytes() != (tmp_path / "alone.gif").read_bytes()


def test_charges_of_another_shape_cannot_be_drawn_beside_a_leader_s() -> None:
    env = HourlyEnv("two-prosumers")
    env.reset(options={"day": 170})
    with pytest.raises(ValueError, match=r"must have shape \(24, 1\), got \(23, 1\)"):
        hourly_picture(env, beside=Beside(name="best found", charges=np.zeros((23, 1)), earned_eur=0.0))
    with pytest.raises(ValueError, match=r"`charges` must have shape \(T, K\), a row for each period of the day, got \(24,\)"):
        Beside(name="best found", charges=np.zeros(24), earned_eur=0.0)
