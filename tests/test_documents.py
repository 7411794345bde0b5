"""Documents tell the truth: their code runs and prints what they say it prints, their links lead somewhere, docstring examples hold.

In a document, a ``python`` block is executed, all blocks of one document in one namespace, and a ``text`` block right after it is what
it printed. In a ``console`` block the lines ``$ gridtoll …`` are executed, and what stands below them is what they print. ``...``
stands for any text, as in doctest. A comment ``<!-- not executed: why -->`` before a block exempts it, ``<!-- long -->`` leaves the
document's blocks of that kind to the long tests; ``<!-- reads what commands wrote -->`` has the document's commands run before its Python.
Run as a script, this module writes what is printed into the documents
(`make documents`).
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

import gridtoll

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for path in (ROOT / "docs").rglob("*.md") if "_generated" not in path.parts)])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXEMPT = re.compile(r"<!-- not executed: .+? -->\s*\Z", re.DOTALL)
_LONG = re.compile(r"<!-- long -->\s*\Z")
_READS = re.compile(r"<!-- reads what commands wrote -->\s*\Z")
_FLAGS = doctest.ELLIPSIS


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, first line's number, and the comments before it."""

    language: str
    text: str
    line: int
    before: str
    after: str

    @property
    def is_exempt(self) -> bool:
        return bool(_EXEMPT.search(self.before))

    @property
    def is_long(self) -> bool:
        return bool(_LONG.search(self.before))


def blocks_of(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(text))
    return [
        Block(match[1], match[2], text.count("\n", 0, match.start(2)) + 1, text[: match.start()], text[match.end() :]) for match in found
    ]


def commands_of(block: Block) -> list[tuple[str, str]]:
    """The ``$`` lines of a console block with the text below each, lines continued by a backslash joined."""
    text = block.text.replace("\\\n", "")
    return [(match[1], match[2]) for match in re.finditer(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)]


def executed(kind: str, *, long: bool) -> list[Path]:
    """The documents with blocks of a kind to execute; one with a long block is long as a whole."""
    chosen = []
    for document in DOCUMENTS:
        blocks = [block for block in blocks_of(document) if block.language == kind and not block.is_exempt]
        if blocks and any(block.is_long for block in blocks) == long:
            chosen.append(document)
    return chosen


def parameters(kind: str) -> list[Any]:
    quick = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in executed(kind, long=False)]
    return quick + [pytest.param(path, id=str(path.relative_to(ROOT)), marks=pytest.mark.long) for path in executed(kind, long=True)]


def require_output(place: str, expected: str, printed: str) -> None:
    checker = doctest.OutputChecker()
    assert checker.check_output(expected, printed, _FLAGS), f"{place} says it prints\n{expected}\nbut it printed\n{printed}"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own, so that what a document writes does not land in the repository."""
    bring_what_documents_read(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bring_what_documents_read(folder: Path) -> None:
    """Copy files that documents read as a reader in a clone does."""
    shutil.copytree(ROOT / "docs" / "own-community", folder / "docs" / "own-community")


def reads_what_commands_wrote(document: Path) -> bool:
    return any(_READS.search(block.before) for block in blocks_of(document) if block.language == "python")


def run_python(document: Path, *, commands_first: bool = True) -> Iterator[tuple[int, str, str]]:
    """Execute a document's python blocks; yield line, expected and printed text of those with a text block right after them."""
    blocks = blocks_of(document)
    if commands_first and reads_what_commands_wrote(document):
        list(run_commands(document))
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block, following in zip_longest(blocks, blocks[1:]):
        if block.language != "python" or block.is_exempt:
            continue
        printed = io.StringIO()
        code = compile("\n" * (block.line - 1) + block.text, str(document), "exec")  # so that a failure names the document's line
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        if following is not None and block.after.lstrip().startswith("```text\n"):
            yield block.line, following.text, printed.getvalue()


def run_commands(document: Path) -> Iterator[tuple[int, str, str, str]]:
    """Execute the `gridtoll` lines of a document's console blocks; yield line, command, expected and printed text of each."""
    main = importlib.import_module("gridtoll.train.cli").main
    for block in blocks_of(document):
        for command, expected in commands_of(block) if block.language == "console" and not block.is_exempt else ():
            program, *arguments = shlex.split(command, comments=True)
            if program != "gridtoll":
                continue  # installation and git are for the reader; the environment this runs in already has them
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                status = exit_status(main, arguments)
            assert status == 0, f"{document.name}:{block.line}: `{command}` ended with {status}"
            yield block.line, command, expected, printed.getvalue()


@pytest.mark.parametrize("document", parameters("python"))
def test_python_in_a_document_runs_and_prints_what_it_says(document: Path, elsewhere: Path) -> None:
    for line, expected, printed in run_python(document):
        require_output(f"{document.name}:{line}", expected, printed)


@pytest.mark.parametrize("document", parameters("console"))
def test_commands_in_a_document_succeed_and_print_what_it_says(document: Path, elsewhere: Path) -> None:
    for line, _, expected, printed in run_commands(document):
        if expected.strip():
            require_output(f"{document.name}:{line}", expected, printed)


def exit_status(main: object, arguments: list[str]) -> int:
    """Call the command line in this process and return its exit status, however it leaves."""
    assert callable(main)
    try:
        status = main(arguments)
    except SystemExit as leaving:
        status = leaving.code
    return 0 if status is None else int(str(status))


def module_names() -> list[str]:
    root = Path(gridtoll.__file__).parent
    files = sorted(path.relative_to(root) for folder in ("envs", "agents", "train") for path in (root / folder).rglob("*.py"))
    return [".".join(("gridtoll", *path.with_suffix("").parts)).removesuffix(".__init__") for path in files]


@pytest.mark.parametrize("name", module_names())
def test_the_examples_of_a_module_hold(name: str, elsewhere: Path) -> None:
    if name.endswith("__main__"):
        pytest.skip("importing it runs it")
    outcome = doctest.testmod(importlib.import_module(name), optionflags=_FLAGS)
    assert outcome.failed == 0


@pytest.mark.parametrize("document", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in DOCUMENTS])
def test_links_in_a_document_lead_to_files_that_exist(document: Path) -> None:
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_links_that_leave_the_project_have_a_form_that_can_be_right() -> None:
    """Whether they lead somewhere `make links` finds out, where there is the internet."""
    texts = [_FENCE.sub("", document.read_text(encoding="utf-8")) for document in DOCUMENTS]
    left = {found.rstrip(".,;") for text in texts for found in re.findall(r"[a-z]+://[^\s)>\"`']+", text)}
    assert len(left) > 3
    forms = (
        r"https://arxiv\.org/abs/\d{4}\.\d{4,5}(v\d+)?",
        r"https://doi\.org/10\.\d{4,9}/\S+",
        r"https://(?!arxiv\.org|doi\.org)[a-z0-9-]+(\.[a-z0-9-]+)+(/\S*)?",
        r"http://127\.0\.0\.1:\d+/",
    )
    assert sorted(each for each in left if not any(re.fullmatch(form, each) for form in forms)) == []


@pytest.mark.parametrize("document", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in DOCUMENTS])
def test_make_targets_named_in_a_document_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^\$ )make ([a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE))
    assert named - targets == set()


def test_every_page_stands_in_the_contents_of_the_site() -> None:
    docs = ROOT / "docs"
    listed = set(re.findall(r"^[\w/-]+$", (docs / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    pages = {path.relative_to(docs).with_suffix("").as_posix() for path in DOCUMENTS if path.is_relative_to(docs)} - {"index"}
    assert pages - listed == set(), "add them to a toctree of docs/index.md"


def test_the_file_map_of_the_readme_names_what_stands_at_the_root() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [map_] = [block.text for block in blocks_of(ROOT / "README.md") if block.language == "text" and block.text.startswith("envs/")]
    named = re.findall(r"^(\S+)", map_, re.MULTILINE)
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert readme.count("img.shields.io") + readme.count("badge.svg") <= 2


def test_the_readme_shows_code_on_its_first_screen() -> None:
    first = next(block for block in blocks_of(ROOT / "README.md") if block.language == "python")
    assert first.line <= 35
    assert os.linesep.join(first.text.splitlines()).count(os.linesep) < 12


def write_what_is_printed(document: Path) -> None:
    """Bring the output blocks of a document up to date. Those that hold stay as they are; elsewhere a `...` at the end stays."""
    text = document.read_text(encoding="utf-8")
    holds = doctest.OutputChecker().check_output
    commands = list(run_commands(document)) if reads_what_commands_wrote(document) else None
    for _, expected, printed in run_python(document, commands_first=False):
        if not holds(expected, printed, _FLAGS):
            text = text.replace(f"```text\n{expected}```", f"```text\n{printed}```", 1)
    for _, command, expected, printed in commands or run_commands(document):
        if holds(expected, printed, _FLAGS):
            continue
        lines = printed.splitlines(keepends=True)
        shown = [*lines[: expected.count("\n") - 1], "...\n"] if expected.endswith("...\n") else lines
        if expected.strip():
            before, after = f"$ {command}\n{expected}", f"$ {command}\n{''.join(shown)}"
            text = text.replace(before, after, 1) if before in text else text.replace(expected, "".join(shown), 1)  # continued lines
    document.write_text(text, encoding="utf-8")


_PATH = re.compile(r"`((?:[\w.-]+/)*[\w.-]+/|(?:[\w.-]+/)+[\w.-]+|[\w-]+\.py)`")


def paths_in(text: str) -> list[str]:
    """The files and folders of the repository that a document names in backticks: what begins with one of its folders, or ends in .py."""
    outside_blocks = _FENCE.sub("", text)
    tops = {each.name for each in ROOT.iterdir() if each.is_dir()}
    return [path for path in _PATH.findall(outside_blocks) if path.split("/")[0] in tops or path.endswith(".py")]


def test_every_file_that_a_document_names_is_there() -> None:
    """The changelog is left out: it tells what was, files that are gone among it."""
    named = [
        (document, path) for document in DOCUMENTS if document.name != "CHANGELOG.md" for path in paths_in(document.read_text("utf-8"))
    ]
    assert len(named) > 50
    assert [f"{document.relative_to(ROOT)}: {path}" for document, path in named if not (ROOT / path).exists()] == []


def test_paths_are_told_from_other_words_in_backticks() -> None:
    text = "`envs/games/spec.py`, `envs/market`, `envs/`, `kernels.py`, `a/b`, `module:Class`, `--days`\n```\n`envs/none.py`\n```\n"
    assert paths_in(text) == ["envs/games/spec.py", "envs/market", "envs/", "kernels.py"]


PROOFS = ("exactness", "gradients", "hourly", "optimum", "performance", "study")
"""Pages with proofs and findings, which may have longer sentences."""
FIRST_READ = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")) if path.stem not in PROOFS))
_MOST_WORDS = 40


def sentences_of(text: str) -> list[str]:
    """The sentences of a document: no code, tables, formulas, headings and targets of links. A colon and a semicolon end one as well."""
    prose = re.sub(r"\$\$[^$]*\$\$|<!--[^>]*-->|^\|.*$|^#.*$", "", _FENCE.sub("", text), flags=re.MULTILINE)
    paragraphs = re.split(r"\n\s*\n|^\s*(?:[-*]|\d+\.) ", re.sub(r"\]\([^)]*\)", "]", prose), flags=re.MULTILINE)
    return [sentence for paragraph in paragraphs for sentence in re.split(r"(?<=[.!?:;])\s+", " ".join(paragraph.split()))]


@pytest.mark.parametrize("name", FIRST_READ)
def test_sentences_are_short_where_nothing_is_proved(name: str) -> None:
    long = [each for each in sentences_of((ROOT / name).read_text(encoding="utf-8")) if len(each.split()) > _MOST_WORDS]
    assert long == []


def test_sentences_are_told_from_tables_and_code() -> None:
    text = "# A title\n\nOne. Two\ngoes on; three.\n\n| a | table |\n\n```python\ncode = 1\n```\n\n* A [link](there.md).\n"
    assert [each for each in sentences_of(text) if each] == ["One.", "Two goes on;", "three.", "A [link]."]


def keep_pictures(folder: Path) -> None:
    """Replace the pictures of the documents by those that their code has just drawn."""
    for drawn in folder.iterdir():
        kept = ROOT / "docs" / "figures" / drawn.name
        if kept.is_file():
            kept.write_bytes(drawn.read_bytes())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        bring_what_documents_read(Path(folder))
        for path in DOCUMENTS:
            write_what_is_printed(path)
        keep_pictures(Path(folder))
