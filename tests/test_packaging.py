"""The package as its users get it: names, versions, dependencies, the wheel, the source archive, a clone of any name."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
import trove_classifiers
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gridtoll

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("envs", "agents", "train")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WHEEL_TESTS = [
    "tests/test_packaging.py",
    "tests/test_documents.py",
    *(f"tests/envs/community/test_{name}.py" for name in ("day", "two_prosumers")),
    *(f"tests/envs/account/test_{name}.py" for name in ("reward", "tariff")),
]
"""What the wheel is tried with: its contents, every module's import and examples, the command line, a community with its clearing."""


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command and return what it printed; should it fail, the failure's message is what it said."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("COV")}
    words = [str(part) for part in command]
    done = subprocess.run(words, cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def locked_versions() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pins}


def own_requirements(extra: str | None = None) -> list[Requirement]:
    listed = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in listed]


def package_files(root: Path) -> set[str]:
    """Everything under the three package folders that is part of the package, as paths below the root."""
    files = {path.relative_to(root).as_posix() for folder in PACKAGES for path in (root / folder).rglob("*") if path.is_file()}
    return {name for name in files if "__pycache__" not in name} | {"__init__.py", "py.typed"}


def absolute_imports(path: Path) -> set[str]:
    """The top-level names of what a module imports from outside its own package."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    chosen = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in plain | chosen}


def copy_of_the_repository(destination: Path) -> Path:
    """Copy what a clone would hold, under another name, without asking git."""
    left_out = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", ".coverage*", "dist", "build", "runs")
    shutil.copytree(ROOT, destination, symlinks=True, ignore=left_out)
    return destination


def test_importing_gridtoll_imports_nothing_else() -> None:
    listing = run(sys.executable, "-c", "import sys; before = set(sys.modules); import gridtoll; print(*(set(sys.modules) - before))")
    assert listing.split() == ["gridtoll"]


def test_the_installed_version_is_the_one_in_the_source() -> None:
    assert importlib.metadata.version("gridtoll") == gridtoll.__version__


def test_the_version_has_an_entry_in_the_changelog_and_the_citation() -> None:
    assert f"## [{gridtoll.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^version: {re.escape(gridtoll.__version__)}$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_citation_has_what_a_citation_needs() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "version", "date-released", "license"} <= citation.keys()
    assert citation["license"] == PROJECT["license"]
    assert str(citation["date-released"]) in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    [paper] = [each for each in citation["references"] if each["type"] == "article"]
    assert len(paper["authors"]) == 4


def test_the_classifiers_are_known_and_name_every_version_the_lock_is_for() -> None:
    classifiers = PROJECT["classifiers"]
    assert set(classifiers) <= trove_classifiers.classifiers
    assert classifiers == sorted(classifiers)
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert f"Programming Language :: Python :: {lowest}" in classifiers


def test_the_link_that_makes_the_root_a_package_is_relative() -> None:
    link = ROOT / ".pkg" / "gridtoll"
    assert link.is_symlink()
    assert link.readlink() == Path("..")


@pytest.mark.parametrize("folder", PACKAGES)
def test_every_folder_of_a_package_has_an_init_file(folder: str) -> None:
    folders = {path.parent for path in (ROOT / folder).rglob("*.py")}
    assert [str(path) for path in folders if not (path / "__init__.py").is_file()] == []


@pytest.mark.parametrize("extra", [None, "dev"])
def test_every_dependency_has_a_lower_bound_that_the_lock_satisfies(extra: str | None) -> None:
    locked = locked_versions()
    for requirement in own_requirements(extra):
        assert [bound.operator for bound in requirement.specifier] == [">="], f"{requirement}: one honest lower bound, nothing else"
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_lock_pins_everything_that_is_needed() -> None:
    locked = locked_versions()
    needed: set[str] = set()
    waiting = own_requirements() + own_requirements("dev")
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in needed:
            continue
        needed.add(name)
        for line in importlib.metadata.requires(name) or []:
            further = Requirement(line)
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
                waiting.append(further)
    cuda = {name for name in needed if name.startswith(("nvidia-", "cuda-", "triton"))}  # of torch's other build, see the lock's header
    assert sorted(needed - cuda - locked.keys()) == []


ROOMS_OF_EXTRAS = {"train/explore": "explore", "envs/account/ledger": "ledger", "agents/learned/steps/tqc.py": "research"}
"""Rooms, and a module, that only run with an extra: those who use them say so where it is missing."""


def packages_of_rooms(of_rooms: dict[str, set[str]], path: Path) -> set[str]:
    """The packages of the extras whose room a module stands in."""
    own = [packages for room, packages in of_rooms.items() if path.is_relative_to(ROOT / room)]
    return set().union(*own)


def test_every_third_party_import_is_a_declared_dependency() -> None:
    declared = {canonicalize_name(requirement.name) for requirement in own_requirements()}
    of_rooms = {room: {str(canonicalize_name(each.name)) for each in own_requirements(extra)} for room, extra in ROOMS_OF_EXTRAS.items()}
    providers = importlib.metadata.packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)}: {name}"
        for folder in PACKAGES
        for path in (ROOT / folder).rglob("*.py")
        for name in absolute_imports(path) - sys.stdlib_module_names - {"gridtoll"}
        if not (declared | packages_of_rooms(of_rooms, path)) & {canonicalize_name(provider) for provider in providers.get(name, [])}
    }
    assert undeclared == set()


def test_a_clone_in_a_folder_of_another_name_imports_as_gridtoll(tmp_path: Path) -> None:
    clone = copy_of_the_repository(tmp_path / "some other-name")
    place = run(
        sys.executable, "-c", "import gridtoll.envs.community.day as d; print(d.__file__)", cwd=tmp_path, PYTHONPATH=str(clone / ".pkg")
    )
    assert Path(place.strip()).resolve() == clone.resolve() / "envs" / "community" / "day.py"


@pytest.mark.wheel
def test_the_built_wheel_holds_the_package_and_passes_tests_in_an_environment_of_its_own(tmp_path: Path) -> None:
    source = copy_of_the_repository(tmp_path / "source")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", source)  # the wheel is built from the archive
    [wheel] = (tmp_path / "dist").glob("*.whl")
    [archive] = (tmp_path / "dist").glob("*.tar.gz")

    run(sys.executable, "-m", "twine", "check", "--strict", wheel, archive)
    metadata = f"gridtoll-{gridtoll.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as file:
        held = set(file.namelist())
    assert {name for name in held if not name.startswith(metadata)} == {f"gridtoll/{name}" for name in package_files(source)}
    assert {f"{metadata}/licenses/LICENSE", f"{metadata}/entry_points.txt"} <= held

    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {*package_files(source), "tests/conftest.py", "requirements.lock", "README.md", "LICENSE", "pyproject.toml"} <= names
    assert not any(name.startswith(".venv") or "__pycache__" in name for name in names)

    # An environment with nothing but the wheel; the dependencies are those of this one, whose own gridtoll a path entry leaves out.
    home = tmp_path / "environment"
    venv.create(home)
    python = home / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    [site] = home.glob("lib/*/site-packages")
    (site / "dependencies.pth").write_text(f"{Path(pytest.__file__).parent.parent}\n", encoding="utf-8")
    assert Path(run(python, "-P", "-c", "import gridtoll; print(gridtoll.__file__)", cwd=tmp_path).strip()).is_relative_to(site)
    assert run(home / "bin" / "gridtoll", "--help", cwd=tmp_path).startswith("usage: gridtoll")
    day = ("--community", "two-prosumers", "--day", "0", "--charge", "0.05")
    cleared = run(home / "bin" / "gridtoll", "clear", *day, "--json", cwd=tmp_path)
    assert json.loads(cleared)["traded_kwh"] > 0
    run(
        python,
        "-P",
        "-m",
        "pytest",
        "-o",
        "pythonpath=tests/support",
        "-o",
        f"cache_dir={tmp_path}",
        "-m",
        "not wheel and not long",
        *WHEEL_TESTS,
    )


@pytest.fixture
def clone_without_links(tmp_path: Path) -> Path:
    """Return what git makes of a clone where it may make no symbolic links: the link is a file that holds its target."""
    clone = copy_of_the_repository(tmp_path / "clone")
    (clone / ".pkg" / "gridtoll").unlink()
    (clone / ".pkg" / "gridtoll").write_text("..", encoding="utf-8")
    return clone


PIP_INSTALL = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed")
"""Installs elsewhere. Without the last word pip would first remove this environment's own gridtoll, which the next target needs."""


@pytest.mark.wheel
def test_a_clone_without_symbolic_links_is_installed_and_imported(tmp_path: Path, clone_without_links: Path) -> None:
    run(*PIP_INSTALL, "--quiet", "--target", tmp_path / "installed", clone_without_links)
    place = run(
        sys.executable,
        "-P",
        "-c",
        "import gridtoll.envs.community.day as d; print(d.__file__)",
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path / "installed"),
    )
    assert Path(place.strip()) == tmp_path / "installed" / "gridtoll" / "envs" / "community" / "day.py"


@pytest.mark.wheel
def test_an_editable_installation_without_the_link_says_what_to_do_and_installs_nothing(tmp_path: Path, clone_without_links: Path) -> None:
    command = [*PIP_INSTALL, "--prefix", str(tmp_path / "prefix"), "--editable", str(clone_without_links)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    for part in ("to be a symbolic link", "it is a plain file here", "git config core.symlinks true", "python -m pip install ."):
        assert part in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list((tmp_path / "prefix").rglob("*gridtoll*"))


@pytest.mark.wheel
def test_an_editable_installation_with_the_link_is_imported_from_the_clone(tmp_path: Path) -> None:
    clone = copy_of_the_repository(tmp_path / "clone")
    run(*PIP_INSTALL, "--quiet", "--prefix", tmp_path / "prefix", "--editable", clone)
    [path] = (tmp_path / "prefix").rglob("*gridtoll*.pth")
    assert path.read_text(encoding="utf-8").strip() == str(clone / ".pkg")
    run(sys.executable, "-P", "-c", "import gridtoll", cwd=tmp_path)  # this environment's own installation is still there
