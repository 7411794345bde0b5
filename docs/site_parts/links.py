"""Links of the documents, which lead to files of the repository, as links of the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCUMENTS_BESIDE: Final = {"README.md": "index", "CONTRIBUTING.md": "_generated/contributing", "CHANGELOG.md": "_generated/changelog"}
"""Documents at the repository's root, and the pages of the site that show them."""
_LINK: Final = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?(\))")


def adapt_source(app: Sphinx, name: str, source: list[str]) -> None:
    """Adapt the links of a page."""
    source[0] = for_the_site(source[0], Path(app.srcdir), (Path(app.srcdir) / f"{name}.md").parent)


def adapt_included(app: Sphinx, path: Path, parent: str, source: list[str]) -> None:
    """Adapt the links of a document from beside the folder, for the page that includes it."""
    source[0] = for_the_site(source[0], Path(app.srcdir), Path(app.srcdir, path).resolve().parent, Path(app.srcdir, parent).parent)


def for_the_site(text: str, docs: Path, written_in: Path, shown_in: Path | None = None) -> str:
    """Return a text whose links lead to pages of the site.

    Args:
        text: In Markdown.
        docs: The folder of the site's sources.
        written_in: The folder from which its links lead.
        shown_in: The folder of the page that shows it; the same unless given.
    """

    def adapted(match: re.Match[str]) -> str:
        target = (written_in / match[2]).resolve()
        page = DOCUMENTS_BESIDE.get(target.name) if target.parent == docs.parent else None
        if page is not None:
            target = docs / f"{page}.md"
        elif shown_in is None:
            return match[0]
        elif not target.is_relative_to(docs):
            return f"{match[1]}{_up(docs, shown_in)}../{target.relative_to(docs.parent).as_posix()}{match[4]}"
        return f"{match[1]}{_relative(target, shown_in or written_in)}{match[3] or ''}{match[4]}"

    return _LINK.sub(adapted, text)


def _relative(target: Path, folder: Path) -> str:
    return Path(*[".."] * len(folder.parts[len(_common(target, folder).parts) :]), target.relative_to(_common(target, folder))).as_posix()


def _up(docs: Path, folder: Path) -> str:
    return "../" * len(folder.relative_to(docs).parts)


def _common(one: Path, other: Path) -> Path:
    return max(set(one.parents) & {other, *other.parents}, key=lambda path: len(path.parts))
