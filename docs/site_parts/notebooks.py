"""Tutorials as notebooks: what a document's blocks say, as cells, which the build executes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

TUTORIALS: Final = ("tutorial", "own-community", "hourly", "gradients")
"""Documents that become notebooks, where they are there."""
_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_COMMENT: Final = re.compile(r"<!-- (not executed: .+?|long) -->\n", re.DOTALL)
_PICTURE: Final = re.compile(r"!\[[^\]]*\]\(figures/([^)\s]+)\)\n?")
_LINK: Final = re.compile(r"\]\((?!https?:|#)([^)\s]+)\)")


def pages(docs: Path) -> dict[str, str]:
    """Return the notebooks and the page that lists them, by their paths below the folder of made pages."""
    there = [name for name in TUTORIALS if (docs / f"{name}.md").is_file()]
    found = {f"notebooks/{name}.ipynb": notebook((docs / f"{name}.md").read_text(encoding="utf-8")) for name in there}
    downloads = "\n".join(f"- {{download}}`{name}.ipynb <{name}.ipynb>`" for name in there)
    listed = "\n".join(there)
    found["notebooks/index.md"] = (
        "# Notebooks\n\nThe tutorials as notebooks. The site's build executes them. "
        "To run one yourself, install gridtoll and download it:\n\n"
        f"{downloads}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
    return found


def notebook(text: str) -> str:
    """Return a document as a notebook, in JSON. What a block printed is left out: executing it prints it again."""
    cells: list[dict[str, Any]] = []
    end, exempt = 0, False
    written = ""
    for block in _BLOCK.finditer(text):
        words = text[end : block.start()]
        exempt = bool(_COMMENT.search(words)) and "long" not in words.rsplit("<!--", 1)[-1]
        _add_words(cells, words, written)
        end = block.end()
        if block[1] == "python" and not exempt:
            written += block[2]
            cells.append(_code(block[2]))
        elif block[1] == "console" and not exempt:
            written += block[2]
            cells.append(_code("%%bash\n" + "\n".join(_commands(block[2]))))
        elif block[1] != "text" or not cells or cells[-1]["cell_type"] != "code":
            _add_words(cells, block[0], written)
    _add_words(cells, text[end:], written)
    numbered = [cell | {"id": f"cell-{number}"} for number, cell in enumerate(cells)]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": numbered, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, ensure_ascii=False, indent=1)


def _add_words(cells: list[dict[str, Any]], text: str, written: str) -> None:
    """Add text; a picture that the code before it wrote is shown by code, any other by its file."""
    place = 0
    text = _COMMENT.sub("", text)
    for picture in _PICTURE.finditer(text):
        if picture[1] not in written:
            continue
        _add_markdown(cells, text[place : picture.start()])
        cells.append(_code(f'from IPython.display import Image\n\nImage("{picture[1]}")'))
        place = picture.end()
    _add_markdown(cells, text[place:])


def _add_markdown(cells: list[dict[str, Any]], text: str) -> None:
    if text.strip():
        adapted = _LINK.sub(lambda match: f"](../../{match[1]})", text.strip())
        cells.append({"cell_type": "markdown", "metadata": {}, "source": adapted})


def _code(text: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": text.rstrip()}


def _commands(text: str) -> list[str]:
    return [match[1] for match in re.finditer(r"^\$ (.*)$", text.replace("\\\n", ""), re.MULTILINE)]
