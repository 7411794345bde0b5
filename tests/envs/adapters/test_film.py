"""The film of a day shows each period of it, and adds up what the operator collects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gridtoll.envs import DayAheadEnv
from gridtoll.envs.adapters.pictures.animation import write_animation
from gridtoll.envs.adapters.pictures.film import animate, collected_eur, film_of_day


@pytest.fixture
def played() -> DayAheadEnv:
    env = DayAheadEnv("two-prosumers", tariff="line", solver="structured")
    env.reset(options={"day": 170})
    env.step([0.1])
    return env


def test_each_period_has_a_frame_of_its_own(played: DayAheadEnv) -> None:
    assert played.outcome is not None
    frames = film_of_day(played.community.network, played.day, played.outcome, "A day")
    assert len(frames) == played.day.n_periods
    assert {frame.shape for frame in frames} == {(440, 840, 3)}
    assert len({frame.tobytes() for frame in frames}) == len(frames)


def test_what_is_collected_by_the_end_of_the_day_is_the_revenue(played: DayAheadEnv) -> None:
    assert played.outcome is not None
    collected = collected_eur(played.day, played.outcome)
    assert collected[-1] == pytest.approx(played.outcome.settlement.revenue_eur, rel=1e-12)
    assert (np.diff(collected) >= 0).all()


def test_a_film_is_written_and_says_what_the_day_earned(tmp_path: Path, played: DayAheadEnv) -> None:
    assert played.outcome is not None
    expected = played.outcome.settlement.profit_eur
    assert animate(played, [0.1], tmp_path / "day.gif", day=170) == expected
    with Image.open(tmp_path / "day.gif") as film:
        assert getattr(film, "n_frames", 1) == played.day.n_periods
        assert film.info["loop"] == 0
    assert (tmp_path / "day.gif").stat().st_size < 200_000


def test_the_last_frame_stands_as_long_as_asked_and_white_stays_white(tmp_path: Path) -> None:
    white = np.full((40, 60, 3), 255, np.uint8)
    frames = [white.copy() for _ in range(3)]
    for number, frame in enumerate(frames):
        frame[5:20, 5 : 20 + 10 * number] = (0, 90 * number, 200)
    write_animation(tmp_path / "film.gif", frames, frames_per_second=5.0, last_frame_seconds=2.0)
    durations = []
    with Image.open(tmp_path / "film.gif") as film:
        for number in range(3):
            film.seek(number)
            durations.append(film.info["duration"])
            assert film.convert("RGB").getpixel((50, 35)) == (255, 255, 255)
    assert durations == [200, 200, 2000]
