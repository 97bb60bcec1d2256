"""The body's mesh as it is drawn: the atlas on it, where clothes begin and end, and how far they and the hair stand off."""

import functools

import numpy as np

from edgemask.convert.body.atlas import Atlas
from edgemask.convert.body.model import body_model

HAIRLINE = (
    (-0.14, -0.09, -0.05, -0.02, 0.02, 0.10),
    (0.715, 0.700, 0.655, 0.630, 0.575, 0.565),
)  # Depth to height, in the rest pose.
ARM, LEG = ("upperarm01", "lowerarm01", "wrist"), ("upperleg01", "lowerleg01", "foot")


class Surface:
    """Drawn vertices (one for each vertex and chart it is in) of `body_model()` under the atlas.

    vertex int64 [N] (which of the 13,718 each is), triangles int32 [F, 3], label float32 [N, 3] (part, U, V), rest float32 [V, 3]
    and zone float32 [V, 4]: how far along the arm (shoulder 0, elbow 1, wrist 2), along the leg (hip 0, knee 1, ankle 2),
    whether an eyeball, nothing.
    """

    @classmethod
    @functools.cache
    def load(cls) -> "Surface":
        """The process's one."""
        return cls()

    def __init__(self):
        import scipy.sparse
        import torch

        atlas, model = Atlas.load(), body_model()
        corner = np.column_stack([atlas.faces.reshape(-1), np.repeat(atlas.part, 3), atlas.uv.reshape(-1, 2)]).astype(np.float32)
        unique, which = np.unique(corner, axis=0, return_inverse=True)
        self.vertex, self.label = unique[:, 0].astype(np.int64), np.ascontiguousarray(unique[:, 1:])
        self.faces, self.triangles = atlas.faces, which.reshape(-1, 3).astype(np.int32)
        with torch.no_grad():
            rest = model()
        self.rest = rest["vertices"][0].numpy().astype(np.float32)
        self.zone = self._zones(model, rest["bone_poses"][0, :, :3, 3].numpy())
        count = len(self.rest)
        self._spread = scipy.sparse.csr_matrix(
            (np.ones(3 * len(self.faces), np.float32), (self.faces.reshape(-1), np.repeat(np.arange(len(self.faces)), 3))),
            (count, len(self.faces)))  # fmt: skip
        edges = np.vstack([self.faces[:, pair] for pair in ((0, 1), (1, 2), (2, 0))])
        near = scipy.sparse.coo_matrix(
            (np.ones(2 * len(edges), np.float32), (edges.T.reshape(-1), edges[:, ::-1].T.reshape(-1))), (count, count)
        ).tocsr()
        near.data[:] = 1
        self._mean = scipy.sparse.diags(1 / np.maximum(np.asarray(near.sum(1)).ravel(), 1)) @ near
        self._mean = self._mean.astype(np.float32)

    def _zones(self, model, heads):
        names = list(model.bone_labels)
        weights = np.zeros((len(self.rest), len(names)), np.float32)
        np.put_along_axis(weights, model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy().astype(np.float32), 1)
        zone = np.zeros((len(self.rest), 4), np.float32)
        for side in "LR":
            for column, chain in ((0, ARM), (1, LEG)):
                below = _below(names, model.bone_parents, f"{chain[0]}.{side}")
                of_limb = weights[:, below].sum(1) > 0.5
                zone[of_limb, column] = _along(self.rest[of_limb], *(heads[names.index(f"{bone}.{side}")] for bone in chain))
            zone[:, 2] = np.maximum(zone[:, 2], weights[:, names.index(f"eye.{side}")])
        return zone

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """Unit normals float32 [V, 3], the triangles' weighed by their area."""
        a, b, c = (vertices[self.faces[:, corner]] for corner in range(3))
        found = self._spread @ np.cross(b - a, c - a)
        return found / (np.linalg.norm(found, axis=1, keepdims=True) + 1e-12)

    def dress(self, vertices: np.ndarray, look) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A posed body float32 [V, 3] in its clothes and hair: (vertices, normals, and [V, 2]: metres inside the hairline, 0
        open to 1 in a crease)."""
        hair, thick_hair = self._hair(look)
        cloth = self._cloth(look) * (hair <= 0)
        for _ in range(3):  # A sudden hem would zigzag from vertex to vertex.
            cloth, thick_hair = self._mean @ cloth, self._mean @ thick_hair
        soft = np.clip(cloth / 0.008, 0, 1)[:, None]
        out = vertices
        for _ in range(look.smooth):
            out = out + 0.8 * soft * (self._mean @ out - out)
        if look.skirt:
            out = self._skirt(out, look.trouser)
        waves = sum(np.sin(self.rest @ wave[:3] + wave[3]) for wave in look.waves) / len(look.waves)
        out = out + self.normals(out) * (cloth * (1 + 0.6 * waves))[:, None]
        scalp = self.rest[:, 2] > 0.62
        away = vertices - vertices[scalp].mean(0)
        away /= np.linalg.norm(away, axis=1, keepdims=True) + 1e-9
        out = out + away * (thick_hair * (1 + 0.35 * waves))[:, None]
        if look.long < 0.5:
            # Long hair hangs from the head past the neck, which is thinner.
            hangs = np.clip(hair / 0.03, 0, 1) * np.exp(-(((self.rest[:, 2] - 0.51) / 0.05) ** 2))
            out = out + self.normals(out) * (look.full * (self._mean @ hangs))[:, None]
        out = out.astype(np.float32)
        normals = self.normals(out).astype(np.float32)
        return out, normals, np.column_stack([hair, self._creases(out, normals)]).astype(np.float32)

    def _skirt(self, vertices, hem):
        """The thighs' inner sides drawn to the plane between the hips, where they meet: cloth from one leg to the other,
        labelled as the legs it hides."""
        leg = self.zone[:, 1]
        left, right = (vertices[(leg > 0) & (leg < 0.1) & (sign * self.rest[:, 0] > 0)].mean(0) for sign in (1, -1))
        across, side = (left - right) / np.linalg.norm(left - right), np.sign(self.rest[:, 0])
        off = (vertices - (left + right) / 2) @ across
        inner = np.clip(0.4 - 1.4 * side * (self.normals(vertices) @ across), 0, 1)
        near = np.clip((0.4 - np.abs(off)) / 0.15, 0, 1) * (side * off > 0)
        return vertices - (0.97 * off * inner * near * ((leg > 0) & (leg < hem)))[:, None] * across.astype(np.float32)

    def _creases(self, vertices, normals):
        """How far a place lies under the surface around it: armpits, necks and folds of a posed body get less light from
        everywhere."""
        smooth = vertices
        for _ in range(10):
            smooth = self._mean @ smooth
        return np.clip(((smooth - vertices) * normals).sum(1) / 0.02, 0, 1)

    def _hair(self, look):
        x, y, z = self.rest.T
        head = (z > 0.5) & (self.zone[:, 0] == 0)
        line = (
            np.interp(y, *HAIRLINE) + look.recede * np.clip((-y - 0.02) / 0.1, 0, 1) - look.over_ears * (np.abs(y + 0.01) < 0.05)
        )
        inside = np.where(head, z - line, -1.0)
        if look.long < 0.5:
            back = (y > -0.01 - 0.05 * (z > 0.5)) & (self.zone[:, 0] == 0)
            ahead = look.drapes & (np.abs(np.abs(x) - 0.085) < 0.045) & (z > 0.3) & (z < 0.5) & (self.zone[:, 0] < 0.2)
            falls = np.where(back | ahead, np.minimum(z - look.long, 0.03), -1.0)
            inside = np.maximum(inside, np.minimum(falls, np.where(ahead, 0.03, look.wide - np.abs(x))))
        inside = inside if look.hair else np.full_like(inside, -1.0)
        return inside, look.hair_thick * np.clip(inside / 0.03, 0, 1)

    def _cloth(self, look):
        """Metres that the clothes stand off; a hem is as thick as the cloth, so it casts no shadow of its own."""
        z, arm, leg = self.rest[:, 2], self.zone[:, 0], self.zone[:, 1]
        neck = z < look.neck + 0.6 * self.rest[:, 1] + 2 * np.maximum(np.abs(self.rest[:, 0]) - 0.07, 0)
        top = ((arm > 0) | (z >= look.waist)) & (arm < look.sleeve) & neck & (leg == 0)
        bottom = (arm == 0) & (z < look.waist) & (leg < look.trouser)
        shoes = leg > look.shoe
        thick = np.where(top, look.top_thick * (1 + 0.4 * arm + np.clip(0.3 - z, 0, 0.3) * (arm == 0) * 4), 0.0)
        thick = np.where(bottom, look.bottom_thick * (0.6 + 0.7 * np.clip(leg, 0, 2)), thick)
        return np.where(shoes, 0.009, thick)


def _below(names, parents, root):
    found = {names.index(root)}
    for index, parent in enumerate(parents):
        if parent in found:
            found.add(index)
    return sorted(found)


def _along(points, start, middle, end):
    """0 at the start, 1 at the middle joint, 2 at the end and on beyond it; never quite 0, which says elsewhere."""
    first, second = middle - start, end - middle
    upper = (points - start) @ first / (first @ first)
    lower = (points - middle) @ second / (second @ second)
    return np.maximum(np.where((upper < 1) | (lower < 0), np.minimum(upper, 1), 1 + np.maximum(lower, 0)), 1e-3)
