"""What is extracted once is read back exactly, quickly, and never when damaged or old."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gridtoll.envs.community.sources import cache, load_community
from gridtoll.envs.community.sources.cache import Arrays, cached_arrays
from gridtoll.envs.files import user_cache_dir


class Extraction:
    """An extraction that counts how often it ran."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> Arrays:
        self.runs += 1
        return {"numbers": np.arange(5) / 3, "names": np.array(["ä", "bc"]), "one": np.array(2.5)}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path))
    return tmp_path


def test_arrays_are_extracted_once_and_come_back_exactly(folder: Path) -> None:
    extract = Extraction()
    first, second = cached_arrays("thing", extract), cached_arrays("thing", extract)
    assert extract.runs == 1
    assert [entry.name for entry in folder.iterdir()] == ["thing.gridtoll"]
    for name, array in Extraction()().items():
        assert np.array_equal(first[name], array)
        assert np.array_equal(second[name], array)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign"])
def test_a_damaged_file_is_rebuilt(folder: Path, damage: str) -> None:
    extract = Extraction()
    cached_arrays("thing", extract)
    path = folder / "thing.gridtoll"
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    path.write_bytes({"flip": bytes(flipped), "cut": good[:-7], "empty": b"", "foreign": b"\xff\xfe no cache\n"}[damage])
    assert np.array_equal(cached_arrays("thing", extract)["numbers"], np.arange(5) / 3)
    assert extract.runs == 2
    assert path.read_bytes() == good


def test_a_file_of_another_schema_or_another_data_package_is_rebuilt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract = Extraction()
    cached_arrays("thing", extract)
    monkeypatch.setattr(cache, "SCHEMA", cache.SCHEMA + 1)
    cached_arrays("thing", extract)
    assert extract.runs == 2
    monkeypatch.setattr(cache, "version", lambda package: "0.0.1" if package == "simbench" else "9")
    cached_arrays("thing", extract)
    assert extract.runs == 3
    assert folder.is_dir()


def test_a_failed_extraction_leaves_nothing_behind(folder: Path) -> None:
    def fail() -> Arrays:
        raise RuntimeError("no data")

    with pytest.raises(RuntimeError, match="no data"):
        cached_arrays("thing", fail)
    assert list(folder.iterdir()) == []


def test_objects_are_not_stored(folder: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        cached_arrays("thing", lambda: {"bad": np.array([object()])})
    assert list(folder.iterdir()) == []


def test_many_extractions_at_once_leave_one_whole_file(folder: Path) -> None:
    extract = Extraction()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: cached_arrays("thing", extract)["numbers"], range(16)))
    assert all(np.array_equal(result, np.arange(5) / 3) for result in results)
    assert [entry.name for entry in folder.iterdir()] == ["thing.gridtoll"]


def test_later_loads_import_neither_simbench_nor_pandapower_nor_gymnasium() -> None:
    names = ("two-prosumers", "simbench-rural", "ieee39", "case33bw")  # one of each source
    code = f"""
import sys
from gridtoll.envs.community.sources import load_community
for name in {names}:
    load_community(name).day(3)
heavy = {{"simbench", "pandapower", "pandas", "networkx", "torch"}} & set(sys.modules)
print(sorted(heavy))
"""
    for name in names:
        load_community(name)  # so that the cache is warm
    environment = {"PYTHONPATH": ":".join(sys.path), "GRIDTOLL_CACHE": str(user_cache_dir())}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["simbench-rural", "ieee39"])
def test_a_cold_cache_gives_the_same_community_as_a_warm_one(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    warm = load_community(name).content_hash
    if name != "simbench-rural":  # the profiles that all communities share are extracted once here
        shutil.copy(user_cache_dir() / "simbench-profiles.gridtoll", tmp_path)
    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path))
    assert load_community(name).content_hash == warm
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.gridtoll", f"{name}-wires.gridtoll", "simbench-profiles.gridtoll"}
