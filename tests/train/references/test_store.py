"""What is kept is served whole, to the same question and the same software only, whoever writes and is killed meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from gridtoll.envs.files import write_atomically
from gridtoll.train.references import store as module
from gridtoll.train.references.meaning import Source, source_of
from gridtoll.train.references.store import software, store, stored

WRITER = """
import sys
from gridtoll.train.references import store as module
module._SOURCES["things"] = ()
store = module.store
print("ready", flush=True)
turn = 0
while True:
    turn += 1
    for key in range(3):
        store("things", {"key": key}, {"writer": sys.argv[1], "turn": turn, "numbers": [turn] * 20_000})
"""


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A package of its own in place of gridtoll's source, of which `envs/a.py` is the source of `things`."""
    root = tmp_path / "root"
    files = {
        "__init__.py": "",
        "envs/__init__.py": "import os\n",
        "envs/a.py": "import numpy as np\nfrom .b import thing\nfrom . import c as other\n",
        "envs/b.py": "def thing():\n    from ..agents import seen\n",
        "envs/c.py": "from __future__ import annotations\nfrom collections.abc import Mapping\nimport scipy.sparse\n",
        "envs/unrelated.py": "",
        "agents/__init__.py": "from .deep import seen\n",
        "agents/deep.py": "seen = 1\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(module, "_ROOT", root)
    monkeypatch.setattr(module, "_SOURCES", {"things": ("envs/a.py",)})
    software.cache_clear()
    yield root
    software.cache_clear()


@pytest.fixture
def things_of_no_source(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`things` rest on no module, as in `WRITER`: of a kind that is not listed each process would first read all of the source."""
    monkeypatch.setitem(module._SOURCES, "things", ())
    software.cache_clear()
    yield
    software.cache_clear()


def test_what_is_stored_is_served_to_the_same_question_only(own_cache: Path) -> None:
    store("things", {"a": [1, 2]}, {"answer": 0.1})
    assert stored("things", {"a": (1, 2)}) == {"answer": 0.1}
    assert stored("things", {"a": [1, 3]}) is None
    assert stored("others", {"a": [1, 2]}) is None


@pytest.mark.parametrize("damage", ['{"key": "another", "value": {}}', '{"key":', "", "[]", "\x00"])
def test_a_file_that_is_damaged_or_another_s_counts_as_none_and_is_replaced(own_cache: Path, damage: str) -> None:
    store("things", {"a": 1}, {"answer": 1})
    [file] = (own_cache / "things").rglob("*.json")
    file.write_text(damage)
    assert stored("things", {"a": 1}) is None
    store("things", {"a": 1}, {"answer": 2})
    assert stored("things", {"a": 1}) == {"answer": 2}


def test_numbers_that_are_none_are_refused_rather_than_written_in_a_dialect(own_cache: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store("things", {"a": 1}, {"answer": float("nan")})
    assert list(own_cache.rglob("*")) == []


@pytest.mark.parametrize("edited", ["envs/a.py", "envs/b.py", "envs/c.py", "agents/__init__.py", "agents/deep.py"])
def test_an_edit_of_a_module_behind_an_answer_makes_it_another_question(package: Path, edited: str) -> None:
    store("things", {"a": 1}, {"answer": 1})
    assert stored("things", {"a": 1}) == {"answer": 1}
    with (package / edited).open("a") as file:
        file.write("edited = 1\n")
    software.cache_clear()
    assert stored("things", {"a": 1}) is None


def test_an_edit_elsewhere_keeps_an_answer_but_not_that_of_a_kind_nobody_listed(package: Path) -> None:
    for kind in ("things", "others"):
        store(kind, {"a": 1}, {"answer": 1})
    (package / "envs" / "unrelated.py").write_text("edited = 1")
    software.cache_clear()
    assert stored("things", {"a": 1}) == {"answer": 1}
    assert stored("others", {"a": 1}) is None


@pytest.mark.parametrize("damage", [None, "{", '{"source": 1}', "other"])
def test_what_the_source_means_is_looked_up_where_no_byte_of_it_has_changed(
    package: Path, own_cache: Path, damage: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, kept, read = software("things"), own_cache / "meaning" / "things.json", list[object]()

    def seen(files: Iterable[Path]) -> Source:
        read.append(files)
        return source_of(files)

    if damage == "other":
        kept.write_text(kept.read_text().replace('"numpy"', '"numpi"'))
    elif damage is not None:
        kept.write_text(damage)
    monkeypatch.setattr(module, "source_of", seen)
    software.cache_clear()
    assert software("things") == before
    assert len(read) == (damage is not None)
    software.cache_clear()
    assert software("things") == before
    assert len(read) == (damage is not None)


@pytest.mark.parametrize("updated", ["numpy", "scipy", "clarabel", "llvmlite"])
def test_another_version_of_a_package_behind_an_answer_makes_it_another_question(
    package: Path, updated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, installed = software("things"), module._version
    monkeypatch.setattr(module, "_version", lambda name: "99" if name == "torch" else installed(name))
    software.cache_clear()
    assert software("things") == before
    monkeypatch.setattr(module, "_version", lambda name: "99" if name == updated else installed(name))
    software.cache_clear()
    assert software("things") != before


def test_the_optimum_rests_on_the_kernel_and_the_settlement_but_not_on_the_command_line() -> None:
    source = source_of(module._ROOT / name for name in module._SOURCES["optima"])
    names = {file.relative_to(module._ROOT).as_posix() for file in source.files}
    assert names >= {
        "envs/market/exact/compiled/linear_algebra.py",
        "envs/account/settlement.py",
        "envs/community/day.py",
        "agents/optimum/one_charge/bounds.py",
        "envs/market/exact/polish.py",
    }
    assert {"numpy", "numba", "scipy", "cvxpy"} <= source.packages
    assert not [name for name in names if name.startswith(("train/", "tests/", "agents/learned", "envs/sources"))]
    assert software("optima") != software("brackets") != software("anything else")


def start_writer(name: str) -> subprocess.Popen[str]:
    """Start a process that writes the same three keys over and over, and return once it does."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / ".pkg")}
    process = subprocess.Popen([sys.executable, "-c", WRITER, name], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def writers_seen(seconds: float) -> set[str]:
    """Read all keys over and over, and return whose answers they had; every answer is whole."""
    seen: set[str] = set()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for kept in filter(None, (stored("things", {"key": key}) for key in range(3))):
            assert kept["numbers"] == [kept["turn"]] * 20_000
            seen.add(kept["writer"])
    return seen


def test_processes_that_write_the_same_keys_and_are_killed_leave_only_whole_files(own_cache: Path, things_of_no_source: None) -> None:
    survivor, *victims = [start_writer(name) for name in "abc"]
    seen, until = writers_seen(0.5), time.monotonic() + 300.0
    while len(seen) < 2 and time.monotonic() < until:  # on a busy machine one of them may write for long by itself
        seen |= writers_seen(0.5)
    for victim in victims:
        kill(victim)
    late = start_writer("d")
    seen |= writers_seen(0.5)
    kill(late)
    kill(survivor)
    files = sorted((own_cache / "things").rglob("*.json"))
    assert len(files) == 3
    assert all(json.loads(file.read_text())["value"]["numbers"] for file in files)
    assert len(seen) > 1
    for draft in own_cache.rglob(".*.part"):  # what the killed ones left is no answer, and goes once it is old enough
        os.utime(draft, (0, 0))
    for key in range(3):
        store("things", {"key": key}, {"answer": key})
        assert stored("things", {"key": key}) == {"answer": key}
    assert list(own_cache.rglob(".*.part")) == []


def test_an_unfinished_file_is_removed_when_it_is_old_and_left_alone_while_somebody_may_be_writing_it(own_cache: Path) -> None:
    store("things", {"a": 1}, {"answer": 1})
    [file] = (own_cache / "things").rglob("*.json")
    old, young = file.with_name(".old.json.x.part"), file.with_name(".young.json.x.part")
    for draft in (old, young):
        write_atomically(draft, lambda handle: handle.write(b"{"))
    os.utime(old, (0, 0))
    store("things", {"a": 1}, {"answer": 2})
    assert not old.exists()
    assert young.exists()
    assert stored("things", {"a": 1}) == {"answer": 2}
