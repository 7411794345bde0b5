"""Pages that are made before each build: environments, the API reference, notebooks, and the documents beside the folder."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
from pathlib import Path
from typing import Final

from . import api, links, notebooks

_FILMS: Final = {"day-ahead": "day.gif", "hourly": "hourly.gif"}
ENVIRONMENTS: Final = {
    "day-ahead": ("gridtoll/DayAhead-v0", "gridtoll.envs.adapters.day_ahead", "DayAheadEnv"),
    "hourly": ("gridtoll/Hourly-v0", "gridtoll.envs.adapters.hourly", "HourlyEnv"),
    "vector": ("Both, many at once", "gridtoll.envs.adapters.vector", "PricingVectorEnv"),
}
"""The page of each environment: its title, and the class whose docstring it is."""
_ROLE: Final = re.compile(r":(\w+):`~?([^`]+)`")


def mathjax() -> Path:
    """Return the folder of MathJax's files, as the package django-static-mathjax brings them.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    found = importlib.util.find_spec("mathjax")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError('the site takes MathJax from the package django-static-mathjax. Install it: pip install ".[docs]"')
    return Path(next(iter(found.submodule_search_locations)), "static", "mathjax", "es5")


def write_all(docs: Path) -> Path:
    """Write every made page below ``_generated/`` and return the folder whose files join the site as they are.

    A page that would be the same is left alone, so that Sphinx reads only what has changed.
    """
    made = docs / "_generated"
    pages = {
        **{
            f"{page.removeprefix('_generated/')}.md": _from_beside(docs, name)
            for name, page in links.DOCUMENTS_BESIDE.items()
            if page.startswith("_generated/")
        },
        **_environment_pages(docs),
        **api.pages(),
        **notebooks.pages(docs),
    }
    for name, text in pages.items():
        _write(made / name, text)
    for path in [*made.glob("*.md"), *made.glob("*/*.md"), *made.glob("*/*.rst"), *made.glob("*/*.ipynb")]:
        if path.relative_to(made).as_posix() not in pages:
            path.unlink()
    _clear_what_notebooks_wrote(made / "notebooks")
    here = made / "notebooks" / "docs"  # where notebooks run: they name files as one does in a clone
    if not here.is_symlink():
        here.symlink_to(docs, target_is_directory=True)
    static = made / "static"
    static.mkdir(exist_ok=True)
    shutil.copyfile(mathjax() / "tex-svg.js", static / "tex-svg.js")
    return static


def _clear_what_notebooks_wrote(folder: Path) -> None:
    """Remove files and folders that an earlier build's notebooks left: a notebook may refuse to write over them."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.suffix not in {".md", ".ipynb"} and not path.is_symlink():
            path.unlink()


def _from_beside(docs: Path, name: str) -> str:
    """Return a document from beside the folder, with links from the folder of made pages."""
    return links.for_the_site((docs.parent / name).read_text(encoding="utf-8"), docs, docs.parent, docs / "_generated")


def _environment_pages(docs: Path) -> dict[str, str]:
    """Return the pages of the environments: the title, the film, and the docstring, which is Markdown."""
    pages = {}
    for page, (title, module, name) in ENVIRONMENTS.items():
        manual = _docstring(docs.parent.joinpath(*module.split(".")[1:]).with_suffix(".py"), name)
        first, _, rest = _ROLE.sub(r"{py:\1}`\2`", manual).partition("\n")
        film = docs / "figures" / _FILMS.get(page, "")
        shown = f"![A film of the game](../../figures/{film.name})\n\n" if film.is_file() else ""
        pages[f"environments/{page}.md"] = f"# {title}\n\n{first}\n\n{shown}{rest.strip()}\n"
    listed = "\n".join(ENVIRONMENTS)
    pages["environments/index.md"] = f"# Environments\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    return pages


def _docstring(path: Path, name: str) -> str:
    """Return the docstring of a class by reading its module, which Sphinx imports itself later, in its own way."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    [found] = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return ast.get_docstring(found) or ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
