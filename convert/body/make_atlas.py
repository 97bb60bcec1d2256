"""Makes atlas.npz from the body model: the parts, and a chart for each.

    python -m edgemask.convert.body.make_atlas

Right parts are computed and then mirrored. Torso, limbs and head: each part is a disk whose boundary is laid along the sides of
the unit square, as somebody before it sees it: U to their right, V down. Hands and feet: MakeHuman's own layout, cut-open gloves.
Eyeballs and tongue take the places of the chart that they lie behind.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from edgemask.command import exit_code
from edgemask.convert.body import partition as parts
from edgemask.convert.body.chart import flatten, rim
from edgemask.convert.body.mesh import Mesh
from edgemask.convert.body.model import body_model
from edgemask.files import replacing

# What lies across a boundary edge: a part's number, or the sagittal plane, for the head its stretch over the crown and behind.
MIDLINE, CROWN, NAPE = 0, -1, -2
INSIDE = 0.3  # What a metre within the mouth and behind the eyelids counts.
TORSO = parts.TORSO_BACK, parts.TORSO_FRONT
# Right part: what its top, left, bottom and right side border on, None for what the others leave, and the U it spans.
SIDES = {
    parts.TORSO_FRONT: ((parts.HEAD,), None, parts.UPPER_LEG, (MIDLINE,), (0, 0.5)),
    parts.TORSO_BACK: ((parts.HEAD,), (MIDLINE,), parts.UPPER_LEG, None, (0.5, 1)),
    parts.HEAD: ((CROWN,), (NAPE,), TORSO, (MIDLINE,), (0, 1)),
    **{part: (TORSO, None, parts.LOWER_LEG, None, (0, 1)) for part in parts.UPPER_LEG},
    **{part: (parts.UPPER_LEG, None, (parts.FOOT,), None, (0, 1)) for part in parts.LOWER_LEG},
    **{part: (TORSO, None, parts.LOWER_ARM, None, (0, 1)) for part in parts.UPPER_ARM},
    **{part: (parts.UPPER_ARM, None, (parts.HAND,), None, (0, 1)) for part in parts.LOWER_ARM},
}
GLOVES = {parts.HAND: ("wrist.R", "finger3-3.R"), parts.FOOT: ("foot.R", "toe2-3.R")}


def make(mesh) -> dict:
    """`Atlas`'s arrays for a `mesh.Mesh`: faces, part and uv."""
    part = parts.partition(mesh)
    uv = np.zeros((len(part), 3, 2), np.float32)  # From here on, so that 1 − U on the left is exact.
    right = mesh.centres[:, 0] < 0
    for number in SIDES:
        ours = np.flatnonzero(right & mesh.skin & (part == number))
        uv[ours] = _disk(mesh, part, ours)[mesh.faces[ours]]
    for number, joints in GLOVES.items():
        ours = np.flatnonzero(right & (part == number))
        uv[ours] = _glove(mesh, ours, joints)
    _hidden(mesh, uv, right)
    ours = np.flatnonzero(right)
    twins, corners = mesh.twins(ours)
    uv[twins] = uv[ours[:, None], corners]
    turned = twins[np.isin(part[twins], TORSO)]
    uv[turned, :, 0] = 1 - uv[turned, :, 0]
    return {"faces": mesh.faces, "part": part, "uv": uv.clip(0, 1)}


def _disk(mesh, part, ours):
    """The chart, vertices [V, 2], of one part's triangles on the right."""
    faces = mesh.faces[ours]
    loop = rim(faces)
    across = {}
    for face in np.flatnonzero(np.isin(mesh.faces, loop).sum(axis=1) >= 2):
        for a, b in zip(mesh.faces[face], np.roll(mesh.faces[face], -1)):
            across[b, a] = face
    beyond = np.array([across[edge] for edge in zip(loop, np.roll(loop, -1))])
    ends = mesh.vertices[np.stack([loop, np.roll(loop, -1)], axis=1)]
    labels = np.where(mesh.centres[beyond, 0] > 0, MIDLINE, part[beyond].astype(int))
    number = part[ours[0]]
    if number == parts.HEAD:
        up, back = (ends.mean(axis=1) - mesh.joints["head"])[:, [2, 1]].T
        labels[(labels == MIDLINE) & (up > 0) & (np.abs(back) < 0.6 * up)] = CROWN
        labels[(labels == MIDLINE) & (back > 0)] = NAPE
    scale = np.where(mesh.inner, INSIDE, 1)
    lengths = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1) * scale[beyond]
    if number in (*TORSO, parts.HEAD):
        # Sides mostly by height, so that V is level: over shoulder and armhole the way is longer than down the middle.
        ends_or_side = np.isin(labels, SIDES[number][0] + SIDES[number][2])
        lengths = np.where(ends_or_side, lengths, 0.4 * lengths + np.abs(ends[:, 0, 2] - ends[:, 1, 2]))
    start, places = _square(labels, lengths, *SIDES[number])
    loop = np.roll(loop, -start)
    return flatten(mesh.vertices, faces, loop, _dented(places, np.bincount(faces.ravel())[loop] == 1), scale[ours])


def _square(labels, lengths, top, left, bottom, right, span):
    """(Where the loop of edges has to begin, places [B, 2] of its edges' first ends on the sides of the square)."""
    is_top = np.isin(labels, top)
    start = int(np.argmax(is_top & ~np.roll(is_top, 1)))
    labels, lengths, is_top = (np.roll(x, -start) for x in (labels, lengths, is_top))
    is_left, is_bottom, is_right = (np.flatnonzero(np.isin(labels, side or ())) for side in (left, bottom, right))
    below, after = is_left[-1] + 1 if left else is_bottom[0], is_right[0] if right else is_bottom[-1] + 1
    first = [0, np.argmin(is_top), below, after, len(labels)]
    places = np.zeros((len(labels), 2))
    corners = np.array([[span[1], 0], [span[0], 0], [span[0], 1], [span[1], 1], [span[1], 0]], float)
    for side in range(4):
        edges = slice(first[side], first[side + 1])
        share = np.cumsum(lengths[edges]) - lengths[edges]
        places[edges] = corners[side] + (share / lengths[edges].sum())[:, None] * (corners[side + 1] - corners[side])
    return start, places


def _dented(places, alone):
    """`places` with the neighbours of a vertex in one triangle `alone` [B] drawn in: on a straight side that had no area."""
    places = places.copy()
    for tip in np.flatnonzero(alone):
        ends = [tip - 1, (tip + 1) % len(places)]
        flat = np.isclose(places[ends], places[tip]).all(axis=0)
        inward = np.where(places[tip] > 0.25, -1, 1) * flat
        places[ends] += 0.1 * np.linalg.norm(np.diff(places[ends], axis=0)) * inward
    return places


def _glove(mesh, ours, joints):
    """The layout's fan of fingers or toes unrolled about the point whose distance, our V, follows the bones best: [N, 3, 2]."""
    start, end = (mesh.joints[name] for name in joints)
    along = ((mesh.vertices[mesh.faces[ours]] - start) @ (end - start)).ravel()
    layout = mesh.texture[ours].reshape(-1, 2)

    def disagreement(centre):
        return -np.corrcoef(np.linalg.norm(layout - centre, axis=1), along)[0, 1]

    near = layout[along < np.quantile(along, 0.1)].mean(axis=0)
    centre = minimize(disagreement, near + (near - layout.mean(axis=0)), method="Nelder-Mead").x
    arrow = (layout - centre) @ np.array([1, 1j])
    angle = np.angle(arrow / arrow.mean())
    fan = np.stack([angle, np.abs(arrow)], axis=1)
    fan = (fan - fan.min(axis=0)) / np.ptp(fan, axis=0)
    return fan.reshape(-1, 3, 2)


def _hidden(mesh, uv, right):
    """Charts for the right eyeball and half the tongue: the affine map of the front view that fits the skin round them."""
    places = np.zeros((len(mesh.vertices), 2))
    places[mesh.faces[right & mesh.skin]] = uv[right & mesh.skin]
    for solid in np.unique(mesh.solid[right & ~mesh.skin]):
        ours = right & (mesh.solid == solid)
        vertices = np.unique(mesh.faces[ours])
        near = cKDTree(mesh.vertices[vertices]).query(mesh.vertices)[0] < 0.008
        known = np.intersect1d(np.unique(mesh.faces[right & ~mesh.inner]), np.flatnonzero(near))
        view = np.insert(mesh.vertices[:, [0, 2]], 2, 1, axis=1)
        places[vertices] = view[vertices] @ np.linalg.lstsq(view[known], places[known])[0]
        uv[ours] = places[mesh.faces[ours]]


def main() -> None:
    """Write the atlas into the package."""
    atlas = make(Mesh(body_model()))
    with replacing(Path(__file__).with_name("atlas.npz")) as temporary:
        np.savez_compressed(temporary, **atlas)


if __name__ == "__main__":
    sys.exit(exit_code(main))
