"""A digest of source follows what is computed: not where it stands, nor how it is described."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gridtoll.train.references.meaning import source_of

FILES = {
    "__init__.py": "",
    "envs/__init__.py": "",
    "envs/market.py": """
\"\"\"What clears.\"\"\"
from __future__ import annotations
import numpy as np
from .parts import price, weight
from . import numbers as p
__all__ = ["clear"]

def clear(day):
    \"\"\"Clear a day.\"\"\"
    from ..agents import guess
    return np.sum(day) * price(day) + weight(day) + p.SHARE + guess()
""",
    "envs/parts.py": """
def price(day):
    return 2.0 * day

def weight(day):
    return 3.0 * day
""",
    "envs/numbers.py": "SHARE = 0.5\nOTHER = 1\n",
    "agents/__init__.py": "from .deep import guess\n",
    "agents/deep.py": "def guess():\n    return 1\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(package: Path, root: str = "envs/market.py") -> str:
    return source_of([package / root]).digest()


def edit(package: Path, name: str, old: str, new: str) -> None:
    text = (package / name).read_text()
    assert old in text
    (package / name).write_text(text.replace(old, new))


def test_all_modules_behind_one_are_found_however_they_are_imported(package: Path) -> None:
    source = source_of([package / "envs/market.py"])
    assert {file.relative_to(package).as_posix() for file in source.files} == set(FILES) - {"__init__.py", "envs/__init__.py"}
    assert source.packages == {"numpy"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("envs/market.py", "Clear a day.", "Clear one day, exactly."),
        ("envs/market.py", "What clears.", "The market."),
        ("envs/market.py", "import numpy as np", "import numpy as np  # arrays"),
        ("envs/market.py", '["clear"]', '["clear", "price"]'),
        ("envs/parts.py", "2.0 * day", "2.0*day"),
        ("envs/numbers.py", "SHARE = 0.5\nOTHER = 1\n", "OTHER = 1\nSHARE = 0.5\n"),
        ("agents/__init__.py", "import guess", "import guess as guess"),
    ],
)
def test_words_layout_and_order_leave_it_as_it_is(package: Path, name: str, old: str, new: str) -> None:
    before = digest(package)
    edit(package, name, old, new)
    assert digest(package) == before


def test_a_module_that_moves_with_its_imports_set_right_leaves_it_as_it_is(package: Path) -> None:
    before = digest(package)
    (package / "envs/market").mkdir()
    (package / "envs/market/__init__.py").write_text("from .exact import clear\n")
    shutil.move(package / "envs/market.py", package / "envs/market/exact.py")
    edit(package, "envs/market/exact.py", "from .parts", "from ..parts")
    edit(package, "envs/market/exact.py", "from . import numbers as p", "from .. import numbers as p")
    edit(package, "envs/market/exact.py", "from ..agents", "from ...agents")
    assert digest(package, "envs/market/exact.py") == before
    assert digest(package, "envs/market/__init__.py") == before


def test_a_function_that_moves_between_modules_leaves_it_as_it_is(package: Path) -> None:
    before = digest(package)
    edit(package, "envs/parts.py", "def weight(day):\n    return 3.0 * day\n", "")
    with (package / "agents/deep.py").open("a") as file:
        file.write("\ndef weight(day):\n    return 3.0 * day\n")
    edit(package, "envs/market.py", "from .parts import price, weight", "from .parts import price\nfrom ..agents.deep import weight")
    assert digest(package) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("envs/market.py", "np.sum(day)", "np.max(day)"),
        ("envs/parts.py", "2.0", "2.5"),
        ("envs/numbers.py", "0.5", "0.25"),
        ("agents/deep.py", "return 1", "return 2"),
        ("envs/market.py", "import price, weight", "import price as weight, weight as price"),  # the same text, other functions
        ("envs/market.py", "from ..agents import guess", "from .parts import price as guess"),
        ("envs/market.py", "import numpy as np", "import torch as np"),
        ("envs/market.py", "def clear(day):", "@staticmethod\ndef clear(day):"),
    ],
)
def test_another_computation_gives_another_one(package: Path, name: str, old: str, new: str) -> None:
    before = digest(package)
    edit(package, name, old, new)
    assert digest(package) != before
