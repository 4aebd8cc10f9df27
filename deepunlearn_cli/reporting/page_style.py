"""How pages look: on a wide screen, on a phone, in dark, on paper; nothing comes from a network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from deepunlearn_cli.core.names import printable

STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #59636e; --line: #d5dae0; --ground: #fff;
  --band: #f4f6f8; --good: #14703c; --bad: #b3231b; --open: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #a3adb8; --line: #3a424b;
  --ground: #14181c; --band: #1e242a; --good: #5fd394; --bad: #ff8b80; --open: #efb54a } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink);
  background: var(--ground); max-width: 64rem; margin: 0 auto; padding: 1.5rem 1rem 3rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere }
h2 { font-size: 1.12rem; margin: 1.9rem 0 .5rem }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem }
p, ul { margin: .4rem 0 } ul { padding-left: 1.2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px }
th, td { padding: .2rem .55rem; border-bottom: 1px solid var(--line); text-align: left;
  white-space: nowrap; vertical-align: top }
thead th { border-bottom: 2px solid var(--soft) }
.wide { overflow-x: auto } .soft, .notes { color: var(--soft); font-size: 13px }
code, .hash { font: 12px/1.4 ui-monospace, "Cascadia Mono", Menlo, monospace; overflow-wrap: anywhere }
.verdict { border-left: .4rem solid var(--open); background: var(--band); padding: .6rem .9rem;
  margin: .8rem 0 } .verdict b { color: var(--open) }
.PASS { border-color: var(--good) } .PASS b, .verdict b.PASS { color: var(--good) }
.FAIL { border-color: var(--bad) } .FAIL b, .verdict b.FAIL { color: var(--bad) }
.verdict b.INCONCLUSIVE { color: var(--open) }
figure { margin: 1rem 0; overflow-x: auto } svg { max-width: 100%; height: auto;
  background: #fff; border-radius: .3rem }
footer { color: var(--soft); font-size: 13px; margin-top: 2rem }
@media (max-width: 40rem) { body { padding: 1rem .75rem } svg { max-width: none; width: 38rem }
  h1 { font-size: 1.25rem } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --ground: #fff;
  --band: #f2f2f2; --good: #0b5a2d; --bad: #8f1710; --open: #6b4500 }
  @page { size: A4; margin: 14mm 15mm }
  body { font-size: 10pt; line-height: 1.36; margin: 0; padding: 0; max-width: none }
  table { font-size: 8.6pt } h1 { font-size: 15pt } h2 { font-size: 11.5pt; margin: 3.6mm 0 1.4mm }
  h2, h3 { break-after: avoid } tr, .verdict, svg, figure { break-inside: avoid }
  svg { max-width: 100%; width: auto } .wide, figure { overflow: visible }
  th, td { white-space: normal } .verdict { padding: 2mm 3mm }
  code, .hash { font-size: 7.8pt } .notes, .soft { font-size: 8.6pt }
  .verdict, .PASS, .FAIL { print-color-adjust: exact; -webkit-print-color-adjust: exact } }
"""


def page(title: str, body: str, more: str = "") -> str:
    """A whole document that needs nothing else; `more` are rules of style of its own."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{STYLE}{more}</style></head>\n<body>{body}</body></html>\n"
    )


def text(value: object) -> str:
    """A text in a page: nothing in it acts."""
    return escape(printable(str(value)))


def listed(items: list[str]) -> str:
    """Texts as a list."""
    return f"<ul>{''.join(f'<li>{text(one)}</li>' for one in items)}</ul>" if items else ""


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of texts."""
    head = "".join(f"<th>{text(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
