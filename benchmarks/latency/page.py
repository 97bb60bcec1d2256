"""The page: a result as one self-contained HTML file."""

import html

from edgemask.benchmarks.latency import card, plots
from edgemask.benchmarks.latency.verdict import sentence

STYLE = """:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222;background:#fff}
h2{margin:1.4em 0 .3em;font-size:1.15em}
table{border-collapse:collapse;margin:1em 0;font-size:14px}
td,th{padding:.2em .7em;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child,.facts td,.facts th{text-align:left}
.scroll{overflow-x:auto}
.verdict{padding:.6em 1em;border-left:6px solid #009e73;background:#eef7f3}
.not{border-color:#d55e00;background:#fdf1e7}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(430px,100%),1fr));gap:1em}
svg{width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:#444}
.axis{stroke:#888;fill:none}
.grid{stroke:#e4e4e4}
.legend{font-size:13px;margin:.2em 0}
.legend span{margin-right:1em;white-space:nowrap}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.35em}"""
HEAD = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"


def page(result: dict) -> str:
    """A result as HTML; nothing is loaded from elsewhere."""
    return "".join(_page(result)) + "\n"


def _page(result):
    timed = [run for run in result["runs"] if run["latency"]]
    said = result["verdict"]
    yield f"{HEAD}<title>edgemask on {_(result['device'])}</title><style>{STYLE}</style>"
    yield f"<h1>{_(result['device'])}</h1><p class='verdict{'' if said['comparable'] else ' not'}'>{_(sentence(said))}</p>"
    yield from (f"<p>Note: {_(note)}.</p>" for note in said["notes"])
    lines = card.card(result).split("\n\n")
    yield f"<p>{_(next(line for line in lines if line.startswith(result['bundle']['name'])))}</p>"
    if timed:
        yield "<div class=plots>"
        yield f"<section><h2>All frames, and their median</h2>{plots.histogram(timed)}</section>"
        yield f"<section><h2>Stages of a frame with {result['workload']['people']} people</h2>{plots.stages(timed)}</section>"
        yield f"<section><h2>Latency against people</h2>{plots.people(timed)}</section>"
        yield f"</div><h2>Meanwhile</h2>{plots.timeline(result)}"
    if counted := [run for run in result["runs"] if run["instructions"]]:
        yield f"<div class=plots><section><h2>Work of a frame</h2>{plots.work(counted)}</section></div>"
    # The card's tables, which are the same figures.
    for block in lines:
        if block.lstrip().startswith("|"):
            yield _table(block.strip())
        elif block.startswith(("Accuracy", "Camera", "Work")):
            yield f"<p>{_(block.strip())}</p>"


def _table(block):
    lines = [line for line in block.splitlines() if not line.startswith("|---")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    facts = " class=facts" if rows[0][0] == "fact" else ""
    head = "".join(f"<th>{_bold(cell)}" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{_bold(cell)}" for cell in row) for row in rows[1:])
    return f"<div class=scroll><table{facts}><tr>{head}{body}</table></div>"


def _bold(cell):
    cell = _(cell)
    return f"<b>{cell.strip('*')}</b>" if cell.startswith("**") else cell


_ = html.escape
