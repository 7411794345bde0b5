"""A cache is a convenience: one that cannot be read, parsed or written is said to be, once, and costs no answer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gridtoll.envs import files, machine_code
from gridtoll.envs.community.sources.cache import cached_arrays
from gridtoll.envs.files import user_cache_dir
from gridtoll.train.references import store as module
from gridtoll.train.references.store import store, stored

PACKAGE = Path(__file__).parents[2]
ADDING = """
import numpy as np
from gridtoll.envs.machine_code import folder_of, kept

@kept(nogil=True)
def added(values, more):
    return values.sum() + more

if __name__ == "__main__":
    print(added(np.arange(4.0), 1.5), folder_of(added), sum(added.stats.cache_hits.values()))
"""


@pytest.fixture(autouse=True)
def told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_told", set())


@pytest.fixture
def blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file where the cache folder should be, which keeps out the superuser too."""
    place = tmp_path / "cache"
    place.write_text("mine")
    monkeypatch.setenv("GRIDTOLL_CACHE", str(place))
    return place


def test_an_answer_that_cannot_be_kept_is_still_an_answer(blocked: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        store("optima", {"day": number}, {"charge": 0.1})
        assert stored("optima", {"day": number}) is None
    assert len(caplog.records) == 1
    assert "answers computed before cannot be kept or read (NotADirectoryError" in caplog.text
    assert "Set GRIDTOLL_CACHE to a folder that can be written." in caplog.text
    assert blocked.read_text() == "mine"


def test_data_that_cannot_be_kept_are_extracted_each_time(blocked: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        assert cached_arrays("thing", lambda: {"numbers": np.arange(3)})["numbers"].tolist() == [0, 1, 2]
    assert len(caplog.records) == 1
    assert blocked.read_text() == "mine"


def test_a_user_without_a_home_has_no_cache_and_all_answers(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("GRIDTOLL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(FileNotFoundError, match="home directory"):
        user_cache_dir()
    store("optima", {"day": 1}, {"charge": 0.1})
    assert stored("optima", {"day": 1}) is None
    assert cached_arrays("thing", lambda: {"numbers": np.arange(3)})["numbers"].tolist() == [0, 1, 2]
    assert len(caplog.records) == 2  # one for each kind


@pytest.mark.parametrize("damage", ["cut", "empty", "binary", "other value", "no value", "a list"])
def test_an_answer_that_is_damaged_counts_as_none(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path))
    store("optima", {"day": 1}, {"charge": 0.125})
    [file] = tmp_path.rglob("*.json")
    text = file.read_text()
    file.write_bytes(
        {
            "cut": text[:-9].encode(),
            "empty": b"",
            "binary": b"\xff\x00\xfe",
            "other value": text.replace("0.125", "0.625").encode(),
            "no value": text.replace('"value"', '"worth"').encode(),
            "a list": text.replace('{"charge": 0.125}', "[0.125]").encode(),
        }[damage]
    )
    assert stored("optima", {"day": 1}) is None
    assert len(caplog.records) == 1
    store("optima", {"day": 1}, {"charge": 0.125})
    assert stored("optima", {"day": 1}) == {"charge": 0.125}


def test_an_answer_is_kept_although_the_disk_was_full_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("GRIDTOLL_CACHE", str(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(module, "write_atomically", full)
        store("optima", {"day": 1}, {"charge": 0.1})
    assert stored("optima", {"day": 1}) is None
    store("optima", {"day": 1}, {"charge": 0.1})
    assert stored("optima", {"day": 1}) == {"charge": 0.1}


def added(folder: Path, **environment: str) -> tuple[str, str]:
    """Run a compiled loop in a process of its own and return what it prints, and what is said on stderr."""
    told = {**os.environ, "PYTHONPATH": str(PACKAGE / ".pkg"), **environment}
    done = subprocess.run([sys.executable, str(folder / "adding.py")], capture_output=True, text=True, check=True, env=told)
    return done.stdout.strip(), done.stderr


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The loop with its machine code, kept by one process and used by the next."""
    place = tmp_path_factory.mktemp("compiled")
    (place / "adding.py").write_text(ADDING)
    folder = place / "__pycache__"
    assert added(place) == (f"7.5 {folder} 0", "")
    assert added(place) == (f"7.5 {folder} 1", "")
    return place


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [1, -1])
def test_machine_code_that_is_cut_short_is_compiled_anew(ending: str, left: int, compiled: Path, tmp_path: Path) -> None:
    shutil.copytree(compiled, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "__pycache__"
    [file] = folder.glob(f"*.{ending}")
    file.write_bytes(file.read_bytes()[:left])
    out, err = added(tmp_path)
    assert out == f"7.5 {folder} 0"
    assert err.count("machine code of compiled loops cannot be kept or read") == 1
    assert "They are compiled anew." in err
    assert added(tmp_path) == (f"7.5 {folder} 1", "")  # and kept


def test_machine_code_that_can_be_kept_nowhere_is_compiled_by_each_process(tmp_path: Path) -> None:
    (tmp_path / "adding.py").write_text(ADDING)
    for name in ("__pycache__", "home"):
        (tmp_path / name).write_text("mine")
    place = str(tmp_path / "home")
    for _ in range(2):
        out, err = added(tmp_path, HOME=place, XDG_CACHE_HOME=place, NUMBA_CACHE_DIR=place)
        assert out == "7.5 None 0"
        assert err.count("Set NUMBA_CACHE_DIR to a folder that can be written, or loops are compiled by every process.") == 1


def test_an_installation_nobody_may_write_into_is_imported_without_a_home(tmp_path: Path) -> None:
    root = tmp_path / "site" / "gridtoll"
    for part in ("envs", "agents", "train"):
        shutil.copytree(PACKAGE / part, root / part, ignore=shutil.ignore_patterns("__pycache__", "reference"))
    shutil.copy(PACKAGE / "__init__.py", root)
    for folder in (root / "envs", root / "envs" / "market" / "exact" / "compiled", root / "agents" / "optimum" / "one_charge" / "loops"):
        (folder / "__pycache__").touch()  # a file in the place of the folder
    place = str(tmp_path / "home")
    Path(place).touch()
    told = {name: value for name, value in os.environ.items() if name not in ("GRIDTOLL_CACHE", "NUMBA_CACHE_DIR")}
    told |= {"PYTHONPATH": str(root.parent), "HOME": place, "XDG_CACHE_HOME": place}
    code = (
        "from gridtoll.envs.market.exact.compiled import kernel; from gridtoll.agents.optimum.one_charge.loops import kernels; "
        "print(kernel.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=told)
    assert done.stdout.strip() == str(root / "envs" / "market" / "exact" / "compiled" / "kernel.py")
    assert done.stderr.count("machine code of compiled loops cannot be kept or read") == 1


@pytest.mark.parametrize("damage", ["cut", "flip", "missing", "index"])
def test_a_mark_tells_whether_machine_code_is_as_it_was_written(damage: str, compiled: Path, tmp_path: Path) -> None:
    shutil.copytree(compiled, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "__pycache__"
    mark, pattern = folder / "mark", "adding.*"
    assert not machine_code.is_whole(mark, pattern)
    machine_code.mark_whole(mark, pattern)
    assert machine_code.is_whole(mark, pattern)
    [file] = folder.glob("*.nbi" if damage == "index" else "*.nbc")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    match damage:
        case "missing":
            file.unlink()
        case "flip":
            file.write_bytes(bytes(content))
        case _:
            file.write_bytes(file.read_bytes()[:-5])
    assert not machine_code.is_whole(mark, pattern)
    machine_code.remove_damaged(mark, pattern)
    assert list(folder.iterdir()) == []


def test_a_process_that_only_compiles_leaves_out_what_python_would_call_inner_functions_by(tmp_path: Path) -> None:
    code = (
        "from gridtoll.envs import machine_code\n"
        "machine_code.compile_only()\n"
        "from gridtoll.envs.market.exact.compiled import kernel, linear_algebra\n"
        "from numba import njit\n"
        "inner = njit(**linear_algebra.OPTIONS)(lambda x: x + 1.0)\n"
        "@machine_code.kept(**linear_algebra.OPTIONS)\n"
        "def outer(x):\n"
        "    return 2.0 * inner(x)\n"
        "print(outer(3.0), [name for name in ('inner', 'outer') if globals()[name].targetoptions.get('no_cpython_wrapper')])\n"
    )
    script = tmp_path / "only.py"
    script.write_text(code, encoding="utf-8")
    told = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept"), "PYTHONPATH": str(PACKAGE / ".pkg")}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, env=told)
    assert done.stdout.strip() == "8.0 ['inner']"
    assert machine_code.INNER == {}
