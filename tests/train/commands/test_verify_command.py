"""``gridtoll verify``: right certificates hold, and whatever is changed in one is found, with the hash or without."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from gridtoll.envs.community.sources import export_community, load_community
from gridtoll.train.cli import main
from gridtoll.train.task import environment_of

OPTIMUM = ["optimum", "--community", "two-prosumers", "--day", "3", "--json"]
Where = tuple[str | int, ...]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "day.json"
    assert main([*OPTIMUM, "--certificate", str(path)]) == 0
    return path


def verified(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["verify", str(path), "--solver", "structured", "--json", *options])
    return code, json.loads(capsys.readouterr().out or "{}")


def leaves(content: Any, where: Where = ()) -> Iterator[Where]:
    """Every place with a value, but of pieces and gaps only the first three."""
    items = content.items() if isinstance(content, dict) else list(enumerate(content))[:3] if isinstance(content, list) else None
    if items is None:
        yield where
        return
    for key, item in items:
        yield from leaves(item, (*where, key))


def changed(content: Any, where: Where) -> Any:
    """The same content with one value changed: a number by a hundredth and a bit, a word by a letter."""
    other = deepcopy(content)
    at = reduce(lambda part, key: part[key], where[:-1], other)
    value = at[where[-1]]
    match value:
        case bool():
            at[where[-1]] = not value
        case int():
            at[where[-1]] = value + 1
        case float():
            at[where[-1]] = 1.01 * value + 1e-3
        case str():
            at[where[-1]] = value + "x"
        case _:
            at[where[-1]] = 0.5
    return other


def write(path: Path, content: Any, *, with_hash: bool) -> Path:
    if with_hash:
        text = json.dumps(content | {"sha256": ""}, indent=1) + "\n"
        content = content | {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def test_a_right_certificate_holds_and_says_what_it_is_about(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = json.loads(kept.read_text())["about"]
    assert list(about) == ["community", "day", "price_path", "date", "game", "gridtoll", "commit"]
    assert (about["community"], about["day"], about["game"]) == ("two-prosumers", 3, {})
    code, values = verified(kept, capsys)
    assert code == 0
    assert values["holds"] is True
    assert values["best_eur"] <= values["upper_bound_eur"]
    assert values["greatest_difference_eur"] <= values["tolerance_eur"]
    assert main(["verify", str(kept)]) == 0
    out = capsys.readouterr().out
    assert "two-prosumers, day 3 (" in out
    assert "Checked, and it holds:" in out
    assert "Clarabel" in out


def test_every_value_that_is_changed_is_found_by_the_hash(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(kept.read_text())
    places = list(leaves(content))
    assert len(places) > 20
    for where in places:
        code, values = verified(write(tmp_path / "other.json", changed(content, where), with_hash=False), capsys)
        assert (code, values["holds"]) == (1, False), where
        assert "changed after it was written" in values["reason"], where


def test_a_changed_byte_that_is_no_value_is_found(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = kept.read_text()
    for other in (text + "\n", text.replace("\n ", "\n  ", 1), text.replace('": ', '":', 1)):
        (tmp_path / "other.json").write_text(other)
        assert verified(tmp_path / "other.json", capsys)[0] == 1


def test_whoever_makes_the_hash_anew_is_found_by_arithmetic(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is left: the software that is said to have written it, and claims that are true as well (a bound that is higher, say)."""
    content = json.loads(kept.read_text())
    true_as_well = {("upper_bound_eur",), ("hard_limits",)}
    for where in leaves(content):
        if where in {("about", "gridtoll"), ("about", "commit"), ("sha256",), *true_as_well} or where[-1] == "bound_eur":
            continue
        code, values = verified(write(tmp_path / "other.json", changed(content, where), with_hash=True), capsys)
        assert code == 2 or values["holds"] is False, where


@pytest.mark.parametrize("by", [-1e-2, -1e-4])
def test_a_bound_that_is_too_low_is_found(by: float, kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(kept.read_text())
    lower = content["upper_bound_eur"] * (1 + by)
    content["upper_bound_eur"] = content["best_eur"] = lower
    for part in content["pieces"]:
        part["best_eur"] = min(part["best_eur"], lower)
    for part in content["gaps"]:
        part["bound_eur"] = min(part["bound_eur"], lower)
    code, values = verified(write(tmp_path / "other.json", content, with_hash=True), capsys)
    assert (code, values["holds"]) == (1, False)


def test_a_piece_or_a_gap_left_out_is_found(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("pieces", "gaps"):
        content = json.loads(kept.read_text())
        del content[name][1 if len(content[name]) > 1 else 0]
        code, values = verified(write(tmp_path / "other.json", content, with_hash=True), capsys)
        assert (code, values["holds"]) == (1, False), name


def test_charges_of_each_hour_are_kept_and_checked_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hours.json"
    options = ["--tariff", "unique", "--charges-per", "hour", "--objective", "welfare", "--flows", "injections", "--charge-cap", "0.5"]
    assert main([*OPTIMUM, *options, "--certificate", str(path), "--verify"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["verified"] is True
    content = json.loads(path.read_text())
    assert content["about"]["game"] == {
        "tariff": "unique",
        "charges_per": "hour",
        "objective": "welfare",
        "flows": "injections",
        "charge_cap": 0.5,
    }
    code, values = verified(path, capsys)
    assert (code, values["charges"]) == (0, printed["charges"])
    other = deepcopy(content)
    other["hours"][12], other["hours"][13] = other["hours"][13], other["hours"][12]
    assert verified(write(tmp_path / "other.json", other, with_hash=True), capsys)[0] == 1
    other = deepcopy(content)
    del other["hours"][5]
    assert verified(write(tmp_path / "other.json", other, with_hash=True), capsys)[0] == 1


def test_a_folder_of_ones_own_may_have_moved_but_not_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    export_community(load_community("two-prosumers"), "mine")
    assert main(["optimum", "--community", "./mine", "--day", "3", "--json", "--certificate", "mine.json"]) == 0
    shutil.move("mine", "moved")
    environment_of.cache_clear()  # a new process, which would read the folder again
    assert verified(Path("mine.json"), capsys)[0] == 1
    assert verified(Path("mine.json"), capsys, "--community", "./moved")[0] == 0
    prices = Path("moved/prices.csv")
    if not prices.exists():
        [prices] = [path for path in Path("moved").glob("*.csv") if "price" in path.name][:1]
    rows = prices.read_text().splitlines()
    rows[3 * 24 + 5] = rows[3 * 24 + 5].replace("0.32", "0.33", 1)
    shutil.copytree("moved", "changed")
    (Path("changed") / prices.name).write_text("\n".join(rows) + "\n")
    code, values = verified(Path("mine.json"), capsys, "--community", "./changed")
    assert code == 1
    assert "is about other data" in values["reason"]


@pytest.mark.parametrize("content", ["", "{}", "[1]", "\x00", '{"format": "x", "about": {}, "sha256": ""}'])
def test_a_file_that_is_no_certificate_is_refused(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    assert main(["verify", str(path)]) == 2
    assert "must be a certificate" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "none.json")]) == 2
