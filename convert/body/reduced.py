"""The body in few points and few angles: what a fit optimises.

A linear blend skin is linear in its vertices at rest, so a weighted mean of skinned vertices is one of a few points that each
follow one bone: the 17 keypoints come out exactly although 13,000 vertices are left out.
"""

import copy
import functools

import numpy as np

from edgemask.convert.body.model import body_model

POINTS = 600  # of the skin
KEYPOINTS = 17
PHENOTYPES = 6  # anny's default ones: gender, age, muscle, weight, height, proportions

# Rotation vectors in radians, in the axes of the model at rest (x to its left, y to its back, z up), of left limbs; right ones
# are mirrored. (bones that share it, axis or None for all three, lowest, highest, mean, deviation) – lowest to deviation one
# number or three. Ranges of healthy joints, widened where an axis at rest is not the anatomical one.
TRUNK = (
    (("spine05", "spine04", "spine03", "spine02", "spine01"),
     None, (-0.5, -0.6, -0.8), (1.4, 0.6, 0.8), (0.1, 0, 0), (0.4, 0.2, 0.25)),
    (("neck01", "neck02", "head"), None, (-0.7, -0.6, -1.2), (0.9, 0.6, 1.2), (0.1, 0, 0), (0.3, 0.2, 0.4)),
)  # fmt: skip
LIMBS = (
    (("clavicle",), None, -0.35, 0.35, 0, 0.12),
    (("upperarm01",), None, (-2.8, -2.5, -1.8), (0.9, 1.2, 0.9), (-0.2, 0.4, -0.1), (0.8, 0.6, 0.6)),
    (("lowerarm01",), "bend", -0.7, 1.9, 0.2, 0.6),
    (("lowerarm02",), "twist", -1.2, 1.2, 0, 0.4),
    (("wrist",), None, -0.7, 0.7, 0, 0.2),
    (("upperleg01",), None, (-2.3, -1.2, -1.0), (0.5, 0.5, 1.0), (-0.3, 0, 0), (0.8, 0.35, 0.35)),
    (("lowerleg01",), "x", -0.05, 2.4, 0.2, 0.6),
    (("foot",), None, (-0.7, -0.3, -0.4), (0.7, 0.3, 0.4), 0, (0.3, 0.12, 0.15)),
)


class Joints:
    """The angles of the tables above: `names`; `low`, `high`, `mean`, `deviation` [D]; `spread` [D, 104 * 3] makes the bones'
    rotation vectors of them."""

    def __init__(self, model):
        import torch

        heads = model()["bone_poses"][0, :, :3, 3].numpy()
        self.bones, self.heads = model.bone_labels, heads
        rows = [row for bones, *values in TRUNK for row in self._rows(bones, "", *values)]
        for side in (".L", ".R"):
            rows += [row for bones, *values in LIMBS for row in self._rows(bones, side, *values)]
        self.names = [name for name, *_ in rows]
        self.spread = torch.tensor(np.stack([row[1].reshape(-1) for row in rows]), dtype=torch.float32)
        self.low, self.high, self.mean, self.deviation = torch.tensor([row[2:] for row in rows], dtype=torch.float32).T

    def _rows(self, bones, side, axis, *values):
        """(name, [104, 3], low, high, mean, deviation) for each degree of freedom."""
        columns = np.broadcast_to(np.array([np.broadcast_to(value, 3) for value in values]).T, (3, len(values)))
        axes = np.eye(3) if axis is None else self._axis(axis)[None]
        mirror = np.array([1, -1, -1]) if side == ".R" else np.ones(3)
        for index, one in enumerate(axes):
            onto = np.zeros((len(self.bones), 3))
            onto[[self.bones.index(bone + side) for bone in bones]] = one * mirror / len(bones)
            yield (f"{bones[0]}{side} {index}", onto, *columns[index])

    def _axis(self, name):
        """Of the left limb: x, or what an elbow bends about, or the axis of the lower arm."""
        if name == "x":
            return np.array([1.0, 0, 0])
        shoulder, elbow, wrist = (self.heads[self.bones.index(bone)] for bone in ("upperarm01.L", "lowerarm01.L", "wrist.L"))
        across = np.cross(elbow - shoulder, wrist - elbow) if name == "bend" else wrist - elbow
        return across / np.linalg.norm(across)


class ReducedBody:
    """`body_model()` on POINTS points of its skin, with exact keypoints, in float32.

    joints: its angles; bone: int64 [POINTS], the bone that carries most of each point.
    """

    def __init__(self):
        import torch

        full = body_model()
        self.joints = Joints(full)
        self.model, self.bones = copy.deepcopy(full), full.bone_labels
        weights = torch.zeros(len(full.template_vertices), len(self.bones), dtype=full.dtype)
        weights.scatter_add_(1, full.vertex_bone_indices.long(), full.vertex_bone_weights)
        chosen = torch.from_numpy(spread_out(full.template_vertices.numpy(), POINTS))
        self.bone = weights[chosen].argmax(dim=1)
        means, bones, self.regressor = _keypoint_points(full, weights)
        pick = torch.zeros(len(chosen), len(weights), dtype=full.dtype)
        pick[torch.arange(len(chosen)), chosen] = 1
        self._take(torch.cat([pick, means]), torch.cat([weights[chosen], torch.eye(len(self.bones), dtype=full.dtype)[bones]]))

    def _take(self, means, weights):
        """Make the model's vertices these means [P, V] of its vertices, carried by weights [P, bones]."""
        import torch

        model = self.model
        model.template_vertices = means @ model.template_vertices
        model.blendshapes = torch.einsum("pv,bvd->bpd", means, model.blendshapes)
        model.vertex_bone_weights, model.vertex_bone_indices = weights.topk(9, dim=1)
        model.float().set_skinning_method("lbs")

    def rotations(self, root, angles):
        """Pose parameters [B, 104, 4, 4] of a root rotation [B, 3, 3] and angles [B, D]."""
        import roma
        import torch

        vectors = (angles @ self.joints.spread).reshape(len(angles), -1, 3)
        turns = torch.cat([root[:, None], roma.rotvec_to_rotmat(vectors[:, 1:])], dim=1)
        return roma.Rigid(turns, torch.zeros_like(turns[..., 0])).to_homogeneous()

    def __call__(self, root, angles, phenotypes):
        """(points [B, POINTS, 3], keypoints [B, 17, 3]) in metres around the pelvis, of a root rotation [B, 3, 3], angles [B, D]
        and phenotypes [B, 6] in [0, 1]."""
        return self.skin(self.rotations(root, angles), self.rest(phenotypes))

    def rest(self, phenotypes):
        """The unposed body of phenotypes [B, 6], to be posed many times."""
        model = self.model
        coefficients = model.get_phenotype_blendshape_coefficients(**dict(zip(model.phenotype_labels, phenotypes.T)))
        found = model.get_rest_model(coefficients)
        return found["rest_vertices"], found["rest_bone_poses"]

    def skin(self, rotations, rest, skin=True):
        """(points, keypoints) of a posed body; no points without `skin`, in a fifth of the work."""
        import torch
        from anny.skinning.skinning import dense_linear_blend_skinning

        vertices, poses = rest
        first = 0 if skin else POINTS
        transforms, _ = self.model.get_bone_transforms(rotations, poses)
        posed = dense_linear_blend_skinning(vertices[:, first:], self.model.dense_vertex_bone_weights[first:], transforms)
        return posed[:, : POINTS - first], torch.einsum("kp,bpd->bkd", self.regressor, posed[:, POINTS - first :])


def _keypoint_points(model, weights):
    """One point for each keypoint and bone with a say in it: (means over vertices [P, V], bones [P], weights [17, P])."""
    import anny
    import torch

    regressor = anny.KeypointsRegressor.coco(model).regression_weights[:KEYPOINTS]
    mass = regressor @ weights
    keypoint, bone = mass.nonzero(as_tuple=True)
    means = regressor[keypoint] * weights[:, bone].T / mass[keypoint, bone, None]
    onto = torch.zeros(KEYPOINTS, len(bone), dtype=torch.float32)
    onto[keypoint, torch.arange(len(bone))] = mass[keypoint, bone].float()
    return means, bone, onto


def spread_out(points: np.ndarray, count: int) -> np.ndarray:
    """Indices of `count` of points [N, 3], each the farthest from those before it."""
    chosen, distance = [0], np.full(len(points), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, np.square(points - points[chosen[-1]]).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return np.array(chosen)


@functools.cache
def reduced_body() -> ReducedBody:
    """The process's one reduced body."""
    return ReducedBody()
