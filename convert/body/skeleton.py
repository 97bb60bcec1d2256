"""Joint angles to `anny`'s pose parameters, and a cheap test of limbs that run through each other."""

import functools

import numpy as np

from edgemask.convert.body.model import body_model

SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
NECK = ("neck01", "neck02", "head")
DEPTH = 0.02  # Metres that two limbs may share: soft flesh gives that much.
# Limbs as capsules: (name, bone at its start, bone at its end); hands and head end in a bone of their own.
CAPSULES = (
    ("hips", "spine05", "spine03"), ("chest", "spine03", "neck01"), ("head", "neck03", "head"),
    *((f"{name}.{side}", f"{start}.{side}", f"{end}.{side}") for side in "LR" for name, start, end in (
        ("upperarm", "upperarm02", "lowerarm01"), ("lowerarm", "lowerarm01", "wrist"), ("hand", "wrist", "finger3-2"),
        ("thigh", "upperleg02", "lowerleg01"), ("calf", "lowerleg01", "foot"), ("foot", "foot", "toe2-2"))),
)  # fmt: skip
TOUCHING = {("hips", "chest"), ("chest", "head"), ("chest", "upperarm"), ("hips", "thigh"), ("upperarm", "lowerarm"),
            ("lowerarm", "hand"), ("thigh", "calf"), ("calf", "foot"), ("upperarm", "hips"), ("head", "upperarm"), ("chest",
             "thigh")}  # fmt: skip


def turn(axis, degrees) -> np.ndarray:
    """Rotation about an axis by the right-hand rule (Rodrigues): float64 [3, 3]."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


X, Y, Z = np.eye(3)


@functools.cache
def _bones():
    return {name: index for index, name in enumerate(body_model().bone_labels)}


@functools.cache
def _rest():
    """Of each side: what lets the arm hang, the elbow's axis and angle at rest, the forearm's axis, the fingers' axis."""
    import torch

    with torch.no_grad():
        heads = body_model()()["bone_poses"][0, :, :3, 3].numpy()
    at = {name: heads[index] for name, index in _bones().items()}
    rest = {}
    for side in "LR":
        upper = at[f"lowerarm01.{side}"] - at[f"upperarm01.{side}"]
        fore = at[f"wrist.{side}"] - at[f"lowerarm01.{side}"]
        hinge = np.cross(upper, fore)
        bent = np.degrees(np.arcsin(np.linalg.norm(hinge) / np.linalg.norm(upper) / np.linalg.norm(fore)))
        hang = turn(np.cross(upper, -Z), np.degrees(np.arccos(-upper[2] / np.linalg.norm(upper))))
        knuckles = at[f"finger5-1.{side}"] - at[f"finger2-1.{side}"]
        rest[side] = hang, hinge, bent, fore, knuckles
    return rest


def _arm(angles, side):
    """Rotations of an arm's bones in the axes of the rest pose. The shoulder blade takes a third of what is lifted beyond 30°."""
    hang, hinge, bent, fore, knuckles = _rest()[side]
    sign = 1 if side == "L" else -1
    get = {joint: angles[f"{joint}.{side}"] for joint in
           ("shoulder.flex", "shoulder.abduct", "shoulder.twist", "elbow.flex", "forearm.twist", "wrist.flex",
            "fingers.curl")}  # fmt: skip
    raised = max(0.0, max(get["shoulder.abduct"], get["shoulder.flex"] - 40) - 30) / 3
    swing = turn(X, -get["shoulder.flex"]) @ turn(Y, -sign * get["shoulder.abduct"]) @ turn(Z, -sign * get["shoulder.twist"])
    blade = turn(Y, -sign * raised / 2)
    found = {"clavicle": blade, "shoulder01": blade, "upperarm01": (blade @ blade).T @ swing @ hang,
             "lowerarm01": turn(hinge, get["elbow.flex"] - bent), "lowerarm02": turn(fore, -sign * get["forearm.twist"] / 2),
             "wrist": turn(fore, -sign * get["forearm.twist"] / 2) @ turn(sign * knuckles, -get["wrist.flex"])}  # fmt: skip
    curl = turn(sign * knuckles, -get["fingers.curl"])
    return found | {f"finger{finger}-{bone}": curl for finger in (2, 3, 4, 5) for bone in (1, 2, 3)}


def _leg(angles, side):
    sign = 1 if side == "L" else -1
    thigh = (turn(X, -angles[f"hip.flex.{side}"]) @ turn(Y, -sign * angles[f"hip.abduct.{side}"])
             @ turn(Z, -sign * angles[f"hip.twist.{side}"]))  # fmt: skip
    return {
        "upperleg01": thigh,
        "lowerleg01": turn(X, angles[f"knee.flex.{side}"]),
        "foot": turn(X, -angles[f"ankle.flex.{side}"]),
    }


def pose(angles: dict[str, float]) -> np.ndarray:
    """`poses.sample`'s angles as pose parameters of `body_model()`: float64 [104, 4, 4], rotations in the rest pose's axes,
    root at the origin."""
    parameters = np.tile(np.eye(4), (len(_bones()), 1, 1))

    def put(bone, rotation):
        parameters[_bones()[bone], :3, :3] = rotation

    def trunk(name, share):
        return (
            turn(X, share * angles[f"{name}.bend"])
            @ turn(Y, share * angles[f"{name}.lean"])
            @ turn(Z, share * angles[f"{name}.turn"])
        )

    put("root", turn(X, angles["root.pitch"]) @ turn(Y if abs(angles["root.pitch"]) < 45 else Z, angles["root.roll"]))
    for bones, name in ((SPINE, "spine"), (NECK, "neck")):
        for bone in bones:
            put(bone, trunk(name, 1 / len(bones)))
    for side in "LR":
        for bone, rotation in (_arm(angles, side) | _leg(angles, side)).items():
            put(f"{bone}.{side}", rotation)
    return parameters


def capsules(heads: np.ndarray) -> np.ndarray:
    """Ends of the limbs' middle lines from bone heads float [..., 104, 3]: float [..., C, 2, 3] in the order of CAPSULES."""
    ends = np.stack([heads[..., [_bones()[start], _bones()[end]], :] for _, start, end in CAPSULES], axis=-3)
    head = [name for name, *_ in CAPSULES].index("head")
    ends[..., head, 1, :] += 2.2 * (ends[..., head, 1, :] - ends[..., head, 0, :])
    return ends


@functools.cache
def owners() -> np.ndarray:
    """Which capsule each vertex belongs to, the one that is nearest in the rest pose among its bone's: int [V]."""
    import torch

    with torch.no_grad():
        rest = body_model()()
    ends = capsules(rest["bone_poses"][0, :, :3, 3].numpy())
    points = rest["vertices"][0].numpy()
    return np.argmin([np.linalg.norm(points - _nearest(points, *pair), axis=1) for pair in ends], axis=0)


def _nearest(points, start, end):
    along = end - start
    share = np.clip((points - start) @ along / (along @ along), 0, 1)
    return start + share[:, None] * along


def radii(rest_vertices: np.ndarray, rest_heads: np.ndarray) -> np.ndarray:
    """How thick each limb of one body is: median distance of its vertices from the middle line in the rest pose, metres [C]."""
    ends, owner = capsules(rest_heads), owners()
    return np.array([np.median(np.linalg.norm(rest_vertices[owner == index] - _nearest(rest_vertices[owner == index], *pair),
    axis=1))
                     for index, pair in enumerate(ends)])  # fmt: skip


@functools.cache
def pairs() -> np.ndarray:
    """Pairs of limbs of one body that are not joined: int [P, 2]."""
    names = [name for name, *_ in CAPSULES]
    return np.array([(i, j) for i in range(len(names)) for j in range(i + 1, len(names)) if not _joined(names[i], names[j])])


def _joined(one, other):
    bare = one.split(".")[0], other.split(".")[0]
    same_side = "." not in one or "." not in other or one[-1] == other[-1]
    return same_side and (bare in TOUCHING or bare[::-1] in TOUCHING)


def overlap(one: np.ndarray, other: np.ndarray, thick: np.ndarray) -> np.ndarray:
    """How deep capsules stand in each other, metres (negative: apart): segments float [..., 2, 3], sums of radii [...].

    Distances between segments after Ericson, Real-Time Collision Detection (2005), 5.1.9.
    """
    p, q = one[..., 0, :], other[..., 0, :]
    d1, d2, r = one[..., 1, :] - p, other[..., 1, :] - q, p - q
    a, e, f = (d1 * d1).sum(-1) + 1e-12, (d2 * d2).sum(-1) + 1e-12, (d2 * r).sum(-1)
    b, c = (d1 * d2).sum(-1), (d1 * r).sum(-1)
    s = np.clip((b * f - c * e) / np.maximum(a * e - b * b, 1e-12), 0, 1)
    t = np.clip((b * s + f) / e, 0, 1)
    s = np.clip((b * t - c) / a, 0, 1)
    gap = p + s[..., None] * d1 - q - t[..., None] * d2
    return thick - np.sqrt((gap * gap).sum(-1))


def self_overlap(heads: np.ndarray, thick: np.ndarray) -> np.ndarray:
    """The worst overlap of limbs that are not joined, metres: heads float [..., 104, 3], radii [C]."""
    ends, (i, j) = capsules(heads), pairs().T
    return overlap(ends[..., i, :, :], ends[..., j, :, :], thick[..., i] + thick[..., j]).max(axis=-1)
