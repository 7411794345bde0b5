"""A word that names something has one reading: a bare word that has two is refused, and each of the two has a spelling."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridtoll.envs.adapters.day_ahead import DayAheadEnv
from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.train.cli import main
from gridtoll.train.compare.plan_file import find_plan, read_plan
from gridtoll.train.compare.tuned import tuned_settings
from gridtoll.train.learning.algorithms import make_algorithm
from gridtoll.train.scoring.leader_words import leader_place
from gridtoll.train.scoring.leaders import LEADER_NAMES
from gridtoll.train.tuning.space import read_space

PLAN = 'communities = ["{}"]\ninformation = ["public"]\nseeds = 1\n[algorithms.zero]\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a community of two prosumers under the name of another that comes with gridtoll."""
    monkeypatch.chdir(tmp_path)
    export_community(load_community("two-prosumers"), tmp_path / "ieee9")
    return tmp_path


def test_a_folder_under_the_name_of_a_community_is_read_only_where_it_is_written_as_a_path(here: Path) -> None:
    for path in ("./ieee9", str(here / "ieee9"), here / "ieee9", Path("ieee9")):
        assert load_community(path).n_prosumers == 2
    message = r"'ieee9' is both a community that comes with gridtoll and a folder in .*\. Write './ieee9' for what is here"
    for use in (load_community, lambda name: DayAheadEnv(community=name)):
        with pytest.raises(ValueError, match=message):
            use("ieee9")
    with pytest.raises(ValueError, match=message):
        read_plan(PLAN.format("ieee9").encode(), source="plan.toml")
    assert read_plan(PLAN.format("./ieee9").encode(), source="plan.toml").games == (("./ieee9", "public"),)


def test_a_folder_that_holds_no_community_takes_no_name_away(here: Path) -> None:
    (here / "two-prosumers").mkdir()
    assert load_community("two-prosumers").n_prosumers == 2


def test_a_mistyped_folder_is_said_not_to_be_there_and_like_names_are_listed(here: Path) -> None:
    export_community(load_community("two-prosumers"), here / "my-village")
    for text, parts in (
        ("my-vilage", ("There is no folder of that name in", "Did you mean './my-village'?")),
        ("./my-vilage", ("there is none of that name in", "Did you mean './my-village'?", "communities export NAME DIR")),
        ("iee9", ("Did you mean 'ieee9'?",)),
        ("nowhere/my-village", ("there is no folder", "nowhere either")),
        ("", ("a community must be a name or a folder, got ''",)),
        ("my-village/load_kw.csv", ("which is a file. Name the folder that the file is in",)),
    ):
        with pytest.raises(ValueError, match="community") as caught:
            load_community(text)
        for part in parts:
            assert part in str(caught.value)


def test_a_run_folder_under_the_name_of_a_leader_is_meant_only_where_it_is_written_as_a_path(here: Path) -> None:
    for name in ("zero", "constant:0.3", "best-constant"):
        assert leader_place(name, LEADER_NAMES) is None
        (here / name).mkdir()
        assert leader_place(name, LEADER_NAMES) is None  # a folder of something else
        (here / name / "config.json").write_text("{}")
        with pytest.raises(ValueError, match=f"'{name}' is both a leader known by name and a run folder in .* Write './{name}'"):
            leader_place(name, LEADER_NAMES)
        assert leader_place(f"./{name}", LEADER_NAMES) == Path(name)
    assert leader_place("runs", LEADER_NAMES) == Path("runs")


def test_a_plan_and_tuned_settings_are_those_of_gridtoll_or_a_file_here_and_never_both(here: Path) -> None:
    (here / "mine.toml").write_text(PLAN.format("two-prosumers"))
    assert find_plan("mine.toml") == Path("mine.toml")
    with pytest.raises(ValueError, match=r"There is no such file in .* either. Did you mean 'mine.toml'\?"):
        find_plan("mine")
    assert find_plan("quick").parent != here
    for name in ("quick.toml", "quick"):
        (here / name).write_text(PLAN.format("two-prosumers"))
        with pytest.raises(ValueError, match=r"'quick' is both a plan that comes with gridtoll and the file quick.* Write './quick"):
            find_plan("quick")
        assert find_plan(f"./{name}") == Path(name)
    (here / "sac").write_text("")
    with pytest.raises(ValueError, match="'sac' is both tuned settings that comes with gridtoll and the file sac"):
        tuned_settings("sac", "sac")


def test_a_module_of_ones_own_that_another_one_hides_is_named(here: Path) -> None:
    (here / "colorsys.py").write_text("class Mine:\n    def learn(self, practice):\n        return None\n")
    with pytest.raises(ValueError, match=r"'colorsys' is both .*colorsys\.py and another module, imported from .*\. Give yours a name"):
        make_algorithm("colorsys:Mine", {}, place=here)


def test_the_command_line_asks_which_of_two_is_meant(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "zero").mkdir()
    (here / "zero" / "config.json").write_text("{}")
    for command, word in (("evaluate zero", "zero"), ("evaluate zero --env hourly", "zero"), ("communities show ieee9", "ieee9")):
        assert main(command.split()) == 2
        assert f"a word must have one meaning, but {word!r} is both" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["\ufeff{}", "{}"])
def test_a_plan_from_windows_is_read_as_any_other(content: str) -> None:
    text = content.format(PLAN.format("two-prosumers")).replace("\n", "\r\n")
    assert read_plan(text.encode(), source="plan.toml").games == (("two-prosumers", "public"),)


def test_a_plan_in_another_encoding_says_so() -> None:
    with pytest.raises(ValueError, match=r"must be a TOML file, got plan\.toml: must be text in UTF-8, got what looks like UTF-16"):
        read_plan(PLAN.format("two-prosumers").encode("utf-16"), source="plan.toml")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_what_toml_takes_for_a_number_and_nobody_means_is_no_setting(number: str, tmp_path: Path) -> None:
    plan = PLAN.format("two-prosumers") + f"[algorithms.sac]\nlearning_rate = {number}\nhidden = [{number}]\n"
    with pytest.raises(ValueError, match="numbers must be finite") as caught:
        read_plan(plan.encode(), source="plan.toml")
    assert f"- numbers must be finite, got algorithms.sac.learning_rate = {number}\n" in str(caught.value)
    assert f"- numbers must be finite, got algorithms.sac.hidden.0 = {number}" in str(caught.value)
    (tmp_path / "space.toml").write_text(f"[learning_rate]\nlow = 0.1\nhigh = {number}\n")
    with pytest.raises(ValueError, match=f"numbers of a space must be finite, got learning_rate.high = {number} in"):
        read_space(tmp_path / "space.toml")


def test_a_space_of_settings_from_windows_is_read_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_bytes("\ufeff[learning_rate]\r\nlow = 0.1\r\nhigh = 0.2\r\n".encode())
    assert list(read_space(tmp_path / "space.toml").parameters) == ["learning_rate"]
