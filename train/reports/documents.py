"""A report as headings, paragraphs, tables and pictures, each of which can write itself as HTML, Markdown and LaTeX."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ..ground.page import picture, table

_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "×": r"$\times$",
    "τ": r"$\tau$",
}


class Block(Protocol):
    """A part of a report."""

    def html(self) -> str:
        """Return it for the page."""
        ...

    def markdown(self) -> str:
        """Return it for the Markdown file, pictures by their files' names."""
        ...

    def latex(self) -> str:
        """Return it for the file of LaTeX tables, empty where it is no table."""
        ...


@dataclass(frozen=True)
class Heading:
    """A heading.

    Attributes:
        text: What it says.
        level: 1 for the title, 2 for sections, 3 for parts of these.
    """

    text: str
    level: int

    def html(self) -> str:
        """Return it for the page, with an anchor."""
        return f'<h{self.level} id="{anchor(self.text)}">{html.escape(self.text)}</h{self.level}>'

    def markdown(self) -> str:
        """Return it for the Markdown file."""
        return f"{'#' * self.level} {_markdown(self.text)}"

    def latex(self) -> str:
        """Return it as a comment, so that tables can be found."""
        return f"% {self.text}"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str

    def html(self) -> str:
        """Return it for the page."""
        return f"<p>{html.escape(self.text)}</p>"

    def markdown(self) -> str:
        """Return it for the Markdown file."""
        return _markdown(self.text)

    def latex(self) -> str:
        """Return nothing: only tables go there."""
        return ""


@dataclass(frozen=True)
class Contents:
    """Links to the sections of the page; the other forms need none."""

    titles: tuple[str, ...]

    def html(self) -> str:
        """Return it for the page."""
        links = "\n".join(f'<li><a href="#{anchor(title)}">{html.escape(title)}</a></li>' for title in self.titles)
        return f'<nav aria-label="Contents"><ul>\n{links}\n</ul></nav>'

    def markdown(self) -> str:
        """Return nothing: viewers make their own."""
        return ""

    def latex(self) -> str:
        """Return nothing: only tables go there."""
        return ""


@dataclass(frozen=True)
class Table:
    """A table of texts, the first column naming the rows.

    Attributes:
        name: Of LaTeX's label, unique in a report.
        caption: What it shows.
        header: Of each column.
        rows: Each as long as the header.
        words: Columns, by place, that hold words rather than numbers, the first apart.
    """

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = ()

    def html(self) -> str:
        """Return it for the page."""
        return table(self.header, self.rows, caption=self.caption, words=self.words)

    def markdown(self) -> str:
        """Return it for the Markdown file."""
        align = "|".join(":--" if place == 0 or place in self.words else "--:" for place in range(len(self.header)))
        lines = [f"**{_markdown(self.caption)}**", "", _markdown_row(self.header), f"|{align}|", *map(_markdown_row, self.rows)]
        return "\n".join(lines)

    def latex(self) -> str:
        """Return it with the rules of the package booktabs."""
        align = "".join("l" if place == 0 or place in self.words else "r" for place in range(len(self.header)))
        body = "\n".join(f"  {' & '.join(map(latex, row))} \\\\" for row in self.rows)
        return (
            "\\begin{table}\n  \\centering\n"
            f"  \\caption{{{latex(self.caption)}}}\n  \\label{{tab:{self.name}}}\n  \\begin{{tabular}}{{{align}}}\n  \\toprule\n"
            f"  {' & '.join(map(latex, self.header))} \\\\\n  \\midrule\n{body}\n  \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}"
        )


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        name: Of its file, without ending.
        svg: Its content.
        alt: What it shows, for those who cannot see it.
    """

    name: str
    svg: bytes
    alt: str

    def html(self) -> str:
        """Return it for the page, inlined."""
        return picture(self.svg, "image/svg+xml", alt=self.alt)

    def markdown(self) -> str:
        """Return a link to its file."""
        return f"![{_markdown(self.alt)}]({FIGURES}/{self.name}.svg)"

    def latex(self) -> str:
        """Return nothing: only tables go there."""
        return ""


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side where there is room, below each other on a phone.

    Attributes:
        pictures: Those.
        caption: Of all together.
    """

    pictures: tuple[Picture, ...]
    caption: str

    def html(self) -> str:
        """Return them for the page."""
        inner = "\n".join(each.html() for each in self.pictures)
        return f'<figure>\n<div class="side-by-side">\n{inner}\n</div>\n<figcaption>{html.escape(self.caption)}</figcaption>\n</figure>'

    def markdown(self) -> str:
        """Return links to their files."""
        return "\n".join([*(each.markdown() for each in self.pictures), "", f"*{_markdown(self.caption)}*"])

    def latex(self) -> str:
        """Return nothing: only tables go there."""
        return ""


FIGURES: Final = "figures"
"""Folder of the pictures that the Markdown file links to."""


def pictures_of(blocks: Sequence[Block]) -> tuple[Picture, ...]:
    """Return every picture of a report."""
    found: list[Picture] = []
    for block in blocks:
        match block:
            case Pictures(pictures=pictures):
                found.extend(pictures)
    return tuple(found)


def html_of(blocks: Sequence[Block]) -> str:
    """Return the body of the page."""
    return "\n".join(block.html() for block in blocks)


def markdown_of(blocks: Sequence[Block]) -> str:
    """Return the Markdown file."""
    return "\n\n".join(text for block in blocks if (text := block.markdown())) + "\n"


def latex_of(blocks: Sequence[Block]) -> str:
    """Return the file of LaTeX tables."""
    head = "% Tables of a report by gridtoll; they need \\usepackage{booktabs}."
    return "\n\n".join([head, *(text for block in blocks if (text := block.latex()))]) + "\n"


def latex(text: str) -> str:
    r"""Return a text with what LaTeX would read as commands escaped.

    >>> latex("95% of best_constant")
    '95\\% of best\\_constant'
    """
    return "".join(_LATEX.get(letter, letter) for letter in text)


def anchor(text: str) -> str:
    """Return a heading's name in links.

    >>> anchor("simbench-rural, public information")
    'simbench-rural-public-information'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_markdown, cells))} |"
