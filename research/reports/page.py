"""The pieces of a self-contained HTML page: style, sections, tables, pictures.

Nothing on a page is loaded from elsewhere; all text goes through `escape`.
"""

import base64
import html
from collections.abc import Iterable, Sequence

_STYLE = """
:root {
  color-scheme: light dark;
  --back: #fff; --panel: #f6f7f9; --text: #1d2430; --muted: #677084; --rule: #dde1e8;
  --s0: #8a94a8; --s1: #2563eb; --s2: #0d9488; --s3: #b45309;
  --good: #2563eb; --bad: #d1432b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171c; --panel: #1c2027; --text: #e4e8ef; --muted: #949eb0;
    --rule: #323842; --s0: #7d879a; --s1: #6ea0ff; --s2: #3dc9b8; --s3: #e3a04f;
    --good: #6ea0ff; --bad: #ff7d66;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 70rem;
  background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  font-variant-numeric: tabular-nums;
}
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.75rem 0 .9rem; padding-top: 1.1rem; font-size: 1.2rem;
  border-top: 1px solid var(--rule); }
h3 { margin: 1.6rem 0 .5rem; font-size: 1rem; }
p { margin: .35rem 0; max-width: 46rem; }
.muted, small { color: var(--muted); }
code { font: .88em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
pre { margin: .5rem 0; padding: .7rem .9rem; background: var(--panel);
  border-radius: 6px; white-space: pre-wrap; }
.badge { display: inline-block; margin: .6rem .5rem 0 0; padding: .1rem .65rem;
  border-radius: 1rem; background: var(--panel); border: 1px solid var(--rule); }
.badge.done { color: var(--good); border-color: currentColor; }
.badge.open { color: var(--s3); border-color: currentColor; }
.cards, .plots { display: grid; gap: 1rem; }
.cards { grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr));
  margin-top: 1.5rem; }
.card { padding: .9rem 1.1rem; background: var(--panel); border-radius: 8px; }
.card b.big { display: block; font-size: 2rem; line-height: 1.25; font-weight: 650; }
.card dl { margin: .5rem 0 0; display: grid; gap: 0 1rem;
  grid-template-columns: 1fr auto; }
.card dt { color: var(--muted); overflow-wrap: anywhere; }
.card dd { margin: 0; text-align: right; }
.plots { grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr));
  gap: 1.5rem 2rem; }
figure { margin: 0; min-width: 0; }
.plot figcaption { display: flex; flex-wrap: wrap; gap: 0 .9rem; font-size: .9rem; }
.plot figcaption b { flex: 1 1 auto; }
.plot svg, .matrix svg { display: block; width: 100%; height: auto; }
.key::before { content: ""; display: inline-block; width: .9em; height: .2em;
  margin: 0 .35em .25em 0; background: currentColor; border-radius: 1px; }
svg text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  fill: var(--muted); }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .line { fill: none; stroke: currentColor; stroke-width: 1.8;
  stroke-linejoin: round; stroke-linecap: round; }
svg .dot { fill: currentColor; }
.s0 { color: var(--s0); } .s1 { color: var(--s1); }
.s2 { color: var(--s2); } .s3 { color: var(--s3); }
.good { color: var(--good); } .bad { color: var(--bad); }
.matrix { max-width: 34rem; }
.matrix .good { fill: var(--good); } .matrix .bad { fill: var(--bad); }
.matrix .frame { fill: none; stroke: var(--rule); }
.matrix text.in { fill: var(--text); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .22rem 1.1rem .22rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); }
th { color: var(--muted); font-weight: 500; white-space: nowrap; }
.number { text-align: right; }
td.text { overflow-wrap: anywhere; }
.samples { display: grid; gap: .9rem .7rem;
  grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); }
.samples div { height: 6rem; display: flex; align-items: center;
  justify-content: center; background: var(--panel); border-radius: 6px; }
.samples img { max-width: 100%; max-height: 100%; border-radius: 4px; }
.wide img { max-width: 100%; }
.samples figcaption { font-size: .82rem; line-height: 1.35; overflow-wrap: anywhere; }
.beside { display: flex; flex-wrap: wrap; gap: 1rem 3rem; align-items: flex-start; }
.beside > .matrix { flex: 1 1 22rem; }
.groups { columns: 17rem 3; column-gap: 2.5rem; }
.groups > div { break-inside: avoid; padding-bottom: 1.2rem; }
.groups h3 { margin-top: 0; }
.groups table { width: 100%; }
.groups td { text-align: left; white-space: nowrap; color: var(--muted); }
.groups td + td { text-align: right; padding-right: 0; white-space: normal;
  color: var(--text); overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--muted); }
@media print { body { max-width: none; } section { break-inside: avoid; } }
"""


def escape(value) -> str:
    """Makes any text safe between tags and inside quoted attributes."""
    return html.escape(str(value), quote=True)


def document(title: str, body: str) -> str:
    """Wraps a body of HTML into a whole page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def section(title: str, body: str) -> str:
    """Puts HTML under a heading; an empty body makes no section."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>\n" if body else ""


def grid(kind: str, cells: Iterable[str]) -> str:
    """Sets pieces of HTML side by side; `kind` is a class of the style."""
    lines = "\n".join(cells)
    return f'<div class="{kind}">\n{lines}\n</div>\n'


def table(head: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Makes a table; columns of numbers are set right, None becomes a dash.

    Args:
      head: names of the columns; empty for a table without a head.
      rows: cells, escaped here; floats as text, as they should be shown.
    """
    texts = [["–" if cell is None else str(cell) for cell in row] for row in rows]
    kinds = [
        "number" if all(map(_numeric, c)) else "text" for c in zip(*texts, strict=True)
    ]
    lines = [_row("th", head, kinds or ["text"] * len(head))] if head else []
    lines += [_row("td", row, kinds) for row in texts]
    return '<div class="scroll"><table>\n' + "\n".join(lines) + "\n</table></div>"


def _row(tag: str, cells: Sequence[str], kinds: Sequence[str]) -> str:
    made = (
        f'<{tag} class="{kind}">{escape(cell)}</{tag}>'
        for cell, kind in zip(cells, kinds, strict=True)
    )
    return f"<tr>{''.join(made)}</tr>"


def _numeric(text: str) -> bool:
    try:
        float(text.replace("–", "0").replace(",", "").rstrip("%"))
    except ValueError:
        return False
    return True


def image(data: bytes, kind: str, alternative: str) -> str:
    """Embeds a picture.

    Args:
      data: the file's bytes.
      kind: png or jpeg.
      alternative: text for those who cannot see it.
    """
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img alt="{escape(alternative)}" src="{source}">'


def number(value: float | None, name: str = "") -> str:
    """Writes a metric's value: shares as percent, others with four digits."""
    if value is None:
        return "–"
    if is_share(name):
        return f"{value:.2%}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def percent(value: float | None) -> str:
    """Writes a share of 1 for a caption or a table; None becomes a dash."""
    return "–" if value is None else f"{value:.1%}"


def is_share(name: str) -> bool:
    """Tells whether a metric is a share of 1, by its name."""
    return "accuracy" in name or name.endswith(("_share", "input_wait"))
