"""The frame of a page: one HTML file that fetches nothing and runs nothing, whatever a sensor is called."""

from collections.abc import Iterable, Sequence
from html import escape
from math import isfinite
from typing import Final

# No script at all; the pictures are drawn in the page.
PAGE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
NOTHING: Final = "-"
_STYLE: Final = """
body { font: 15px/1.5 system-ui, "Noto Sans CJK JP", "IPAexGothic", sans-serif; color: #222; background: #fff;
  max-width: 1080px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em; overflow-wrap: anywhere } h2 { font-size: 1.2em; margin-top: 2em }
h3 { font-size: 1em; margin: 1.6em 0 .2em; overflow-wrap: anywhere }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td { white-space: nowrap } td, th { padding: .25em .6em; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left } th { font-weight: 600; vertical-align: bottom }
tr.chosen { font-weight: 600; background: #eef3fa }
.wide { overflow-x: auto } .note { color: #555 }
.warning { border-left: 4px solid #d9822b; padding-left: .8em }
.row { display: flex; flex-wrap: wrap; gap: 1em } .row figure { flex: 1 1 440px }
figure { margin: .8em 0 } figcaption { color: #555; font-size: .9em }
svg { width: 100%; height: auto; display: block } svg text { font-size: 12px; fill: #444 }
@media print { body { max-width: none } h2, h3 { break-after: avoid } figure { break-inside: avoid } }
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole page; the parts of `body` are safe HTML already, the title is not."""
    shown = escape(title)
    content = "\n".join(body)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{shown}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{PAGE_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{shown}</h1>\n{content}\n</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, chosen: str | None = None) -> str:
    """A table of plain texts; the row that begins with `chosen` stands out."""
    lines = [f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>"]
    for cells in rows:
        tag = '<tr class="chosen">' if cells[0] == chosen else "<tr>"
        lines.append(f"{tag}{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def paragraph(text: str, *, style: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{style}">{escape(text)}</p>' if style else f"<p>{escape(text)}</p>"


def figure(svg: str, caption: str) -> str:
    """A picture with a plain text below it."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def shown(value: float, digits: str = ".3f", *, factor: float = 1.0) -> str:
    """A number as a table shows it; a dash where there is none."""
    return f"{value * factor:{digits}}" if isfinite(value) else NOTHING
