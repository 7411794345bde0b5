"""Pages that need nothing beside them: one HTML file with its style, tables and pictures in it, for screen, phone and print.

Tables scroll within their own box where they are wider than the page; the page itself never does. On paper they are as wide as they must
be, in smaller type. There is no script.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Collection, Sequence
from typing import Final

_STYLE: Final = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; max-width: 68rem; margin: 0 auto;
  padding: 1rem; color: #1a1a1a; background: #fff; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 2px solid #0072b2; padding-bottom: .2rem; }
h3 { margin-top: 1.6rem; } p, li { max-width: 48rem; } a { color: #005a8f; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: 0; list-style: none; } nav li { padding: .25rem 0; }
.box { overflow-x: auto; margin: .8rem 0; max-width: 100%; } .box:focus-visible { outline: 2px solid #0072b2; }
table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ccc; text-align: right; white-space: nowrap; vertical-align: top; }
thead th { border-bottom: 2px solid #555; white-space: normal; vertical-align: bottom; min-width: 4.2rem; }
tbody tr:nth-child(even) { background: #f6f6f6; }
th:first-child, .words { text-align: left; } td.words { white-space: normal; min-width: 9rem; } tbody th { font-weight: 600; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; }
figcaption { font-size: .85rem; color: #333; max-width: 48rem; }
.side-by-side { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: .6rem; align-items: start; }
.side-by-side img { width: 100%; max-width: 34rem; }
pre { font-size: .75rem; background: #f4f4f4; padding: .8rem; overflow-x: auto; }
@media print {
  @page { margin: 14mm; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  h2, h3, figcaption:first-child { break-after: avoid; } figure, tr { break-inside: avoid; } thead { display: table-header-group; }
  .box { overflow: visible; } table { font-size: 7pt; } th, td { padding: .1rem .3rem; } tbody th { white-space: normal; }
  thead th, td.words { min-width: 0; }
  .side-by-side { grid-template-columns: repeat(2, 1fr); } pre { white-space: pre-wrap; }
  tbody tr:nth-child(even) { background: #f6f6f6; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def page(title: str, body: str) -> str:
    """Return a whole page around a body of HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def picture(content: bytes, media_type: str, *, alt: str) -> str:
    """Return a picture with its content in it."""
    data = base64.b64encode(content).decode("ascii")
    return f'<img alt="{html.escape(alt)}" src="data:{media_type};base64,{data}">'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", words: Collection[int] = ()) -> str:
    """Return a table of texts in a box of its own.

    Args:
        header: Of each column.
        rows: Their first cell names them.
        caption: Above the table.
        words: Columns, by place, of words, which may break and stand to the left.
    """
    label = f' role="region" tabindex="0" aria-label="{html.escape(caption[:80])}"' if caption else ""
    head = "".join(f'<th scope="col"{_kind(place, words)}>{html.escape(name)}</th>' for place, name in enumerate(header))
    body = "\n".join(f"<tr>{''.join(_cell(place, text, words) for place, text in enumerate(row))}</tr>" for row in rows)
    inner = f'<div class="box"{label}><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
    # The caption stands outside the box: as wide as the page, however wide the table.
    return f"<figure>\n<figcaption>{html.escape(caption)}</figcaption>\n{inner}\n</figure>" if caption else inner


def _cell(place: int, text: str, words: Collection[int]) -> str:
    return f'<th scope="row">{html.escape(text)}</th>' if place == 0 else f"<td{_kind(place, words)}>{html.escape(text)}</td>"


def _kind(place: int, words: Collection[int]) -> str:
    return ' class="words"' if place in words else ""
