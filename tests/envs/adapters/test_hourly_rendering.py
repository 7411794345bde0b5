"""Pictures of hourly episodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridtoll.envs import HourlyEnv
from gridtoll.envs.adapters.pictures.animation import write_animation
from gridtoll.envs.adapters.pictures.hourly import animate, hourly_picture


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
