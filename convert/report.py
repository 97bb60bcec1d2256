"""The quantisation report: one self-contained HTML page, and the same as JSON."""

import base64
import html
import json
from pathlib import Path

import cv2

from edgemask.agreement import table
from edgemask.evaluate import METRICS
from edgemask.files import replacing

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .8em;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}img{max-width:49%}pre{overflow-x:auto;background:#f6f6f6;padding:1em}
svg text{font:10px system-ui,sans-serif}"""


def write_report(path, report: dict, worst: list[dict]):
    """Write `path` (HTML) and the JSON beside it, each whole or not at all.

    report, worst: what `evidence.gather` gives.
    """
    path = Path(path)
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps({**report, "worst": [{k: one[k] for k in ("name", "iou")} for one in worst]}, indent=1))
    with replacing(path) as temporary:
        temporary.write_text("".join(_page(report, worst)))


def _page(report, worst):
    yield f"<!doctype html><meta charset=utf-8><title>edgemask: int8 against float</title><style>{STYLE}</style>"
    yield "<h1>Int8 against float</h1>"
    calibration = report["calibration"]
    yield f"<p>Calibrated on {html.escape(calibration['set'])}: {html.escape(calibration['chosen'])}; "
    yield f"{calibration['pictures']} of them gave the ranges. {html.escape(calibration['ranges'])}.</p>"
    if accuracy := report.get("accuracy"):
        one = next(iter(accuracy.values()))
        yield f"<h2>Accuracy</h2><p>{one['pictures']} pictures of {html.escape(one['set'])}, {one['evaluator']}, "
        yield f"input {one['input'][0]}×{one['input'][1]} letterbox.</p>"
        rows = [[name, kind, *(f"{found[kind][m]:.1f}" for m in METRICS)] for kind in ("box", "mask") for name, found in accuracy.items()]
        yield _table(["model", "", *METRICS], rows)
    if techniques := report.get("techniques"):
        yield "<h2>What each technique gave</h2><p>AP less float's, with its 95 % interval (paired bootstrap over pictures); "
        yield "SQNR in dB, mean over the outputs of a stage, on pictures that took no part.</p>"
        stages = [f"{stage} dB" for stage in techniques[0]["sqnr_db"]]
        yield _table(["technique", *stages, "box AP", "mask AP"], [_row(one) for one in techniques])
    if len(choices := report["choices"]) > 1:
        yield "<h2>What staying in float gave and cost</h2><p>AP lost, the largest of both engines; a frame's time through that "
        yield "of the same model all in int8, interleaved on the machine that converted.</p>"
        yield _table(["in float", "box AP lost", "mask AP lost", *choices[0]["time"]], [_choice(one) for one in choices])
    yield f"<h2>Stage by stage</h2><pre>{html.escape(chr(10).join(table(report['agreement'])))}</pre>"
    for stage, layers in report.get("sensitivity", {}).items():
        yield f"<h2>Sensitivity of {stage}</h2><p>Blue: SQNR in dB with only this layer quantised. "
        yield "Red: dB won when it alone stays in float.</p>" + _bars(layers)
    if worst:
        yield "<h2>Where int8 is furthest from float</h2>"
    for one in worst:
        yield f"<h3>{html.escape(one['name'])}: mask IoU {one['iou']:.2f}</h3>"
        yield f"<img alt='float' src='{_jpeg(one['float'])}'> <img alt='int8' src='{_jpeg(one['int8'])}'>"


def _row(one):
    gaps = [f"{gap:+.2f} ({low:+.2f} to {high:+.2f})" for gap, low, high in (one["box"], one["mask"])]
    return [one["technique"], *(f"{value:.1f}" for value in one["sqnr_db"].values()), *gaps]


def _choice(one):
    lost = (max(drop["drop"] for drop in one["drops"] if drop["kind"] == kind) for kind in ("box", "mask"))
    return [", ".join(one["float"]) or "nothing", *(f"{value:+.2f}" for value in lost), *(f"{value:.2f}" for value in one["time"].values())]


def _table(head, rows):
    cells = "".join(f"<th>{html.escape(str(cell))}" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}" for cell in row) for row in rows)
    return f"<table><tr>{cells}{body}</table>"


def _bars(layers):
    most = max(max(one["alone_db"] for one in layers), 1)
    gain = max(max(abs(one["without_db"]) for one in layers), 0.1)
    rows = []
    for index, one in enumerate(layers):
        y = 14 * index
        rows.append(
            f"<text x=0 y={y + 10}>{html.escape(one['layer'])}</text>"
            f"<rect x=220 y={y + 1} width={300 * max(one['alone_db'], 0) / most:.1f} height=11 fill='#48c'/>"
            f"<text x=525 y={y + 10}>{one['alone_db']:.1f}</text>"
            f"<rect x=570 y={y + 1} width={200 * max(one['without_db'], 0) / gain:.1f} height=11 fill='#c54'/>"
            f"<text x=775 y={y + 10}>{one['without_db']:+.2f}</text>"
        )
    return f"<svg width=830 height={14 * len(layers)}>{''.join(rows)}</svg>"


def _jpeg(rgb):
    encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")
