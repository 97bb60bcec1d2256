"""Which part each triangle belongs to: the right half by joints and bone weights with short boundaries, the left by mirroring."""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from edgemask.parts import MIRROR

# Metres²: the area times distance on the wrong side of the wanted line that a boundary may cut off per metre it gets shorter.
STIFFNESS = 5e-4
TORSO_BACK, TORSO_FRONT, HAND, FOOT, HEAD = 1, 2, 3, 6, 23
UPPER_LEG, LOWER_LEG, UPPER_ARM, LOWER_ARM = (7, 9), (11, 13), (18, 16), (22, 20)  # Back and front, outer and inner.


def partition(mesh) -> np.ndarray:
    """The part, uint8 [F], of every triangle of a `mesh.Mesh`."""
    part = np.zeros(len(mesh.faces), np.uint8)
    right = np.flatnonzero(mesh.centres[:, 0] < 0)
    part[right] = _ends(mesh, right)
    body = right[part[right] == 0]
    bottom, top = mesh.joints["neck02"], mesh.joints["head"]
    neck = _cut(mesh, body, (mesh.centres[body] - bottom) @ _unit(top - bottom))
    part[body[neck]] = HEAD
    body = body[~neck]
    arm = _cut(mesh, body, 0.1 * (mesh.weight("upperarm", "lowerarm", "wrist")[body] - 0.5))
    body, arm = body[~arm], body[arm]
    leg = _cut(mesh, body, 0.1 * (mesh.weight("upperleg", "lowerleg", "foot")[body] - 0.5))
    # One cut from the neck to the ankle, so that no step is in the seam where torso and leg meet.
    front = _cut(mesh, body, _forward(mesh, body))
    part[body] = np.where(front, TORSO_FRONT, TORSO_BACK)
    _limb(mesh, part, body[leg], front[leg], ("upperleg01.R", "lowerleg01.R", "foot.R"), UPPER_LEG, LOWER_LEG)
    joints = "upperarm01.R", "lowerarm01.R", "wrist.R"
    _limb(mesh, part, arm, _cut(mesh, arm, _inward(mesh, arm, joints)), joints, UPPER_ARM, LOWER_ARM)
    part[right] = _without_ears(mesh, right, part[right])
    part[mesh.twins(right)[0]] = np.take(MIRROR, part[right])
    return part


def _ends(mesh, right):
    """Hand, foot and the head down to the jaw end where MakeHuman's layout has its seams; 0 for what is left."""
    ends = np.full(len(right), HEAD)
    for island, part in ((mesh.hand, HAND), (mesh.foot, FOOT), (mesh.body, 0)):
        ends[mesh.island[right] == island] = part
    return ends


def _limb(mesh, part, faces, second, joints, upper, lower):
    """Number a limb's triangles: cut through its middle joint, square to the mean of both bones, then by half."""
    start, middle, end = (mesh.joints[name] for name in joints)
    along = _unit(_unit(middle - start) + _unit(end - middle))
    beyond = _cut(mesh, faces, (mesh.centres[faces] - middle) @ along)
    part[faces] = np.where(beyond, np.take(lower, second * 1), np.take(upper, second * 1))


def _forward(mesh, faces):
    """How far in front of the middle between front and back, at its height, each triangle is: metres, negative behind."""
    height, depth = mesh.centres[faces, 2], mesh.centres[faces, 1]
    levels = np.arange(height.min(), height.max(), 0.01)
    near = (depth[np.abs(height - level) < 0.02] for level in levels)
    middle = gaussian_filter1d([(slice_.min() + slice_.max()) / 2 for slice_ in near], 3)
    return np.interp(height, levels, middle) - depth


def _inward(mesh, faces, joints):
    """How far on the palm's side of the arm's bones each triangle is, in metres.

    The elbow's hinge points there when the thumb points forward, and so does the rest pose's palm: no twist to undo.
    """
    shoulder, elbow, wrist = (mesh.joints[name] for name in joints)
    inward = _unit(np.cross(wrist - elbow, elbow - shoulder))
    inward *= -np.sign(inward[0] * shoulder[0])
    from_elbow = mesh.centres[faces] - elbow
    bone = np.where((from_elbow @ (wrist - shoulder) > 0)[:, None], _unit(wrist - elbow), _unit(elbow - shoulder))
    return (from_elbow - bone * (from_elbow * bone).sum(axis=1, keepdims=True)) @ inward


def _cut(mesh, faces, score):
    """Which of `faces` [N] are on the positive side: a minimum cut trades `score` [N], metres, against the boundary's length.

    Boykov, Veksler and Zabih 2001, with two labels.
    """
    pairs, lengths = mesh.seams(faces)
    count = len(faces)
    wanted = score * mesh.areas[faces]
    own = np.arange(count)
    source, sink = np.full(count, count), np.full(count, count + 1)
    rows = np.concatenate([pairs[:, 0], pairs[:, 1], source, own])
    columns = np.concatenate([pairs[:, 1], pairs[:, 0], own, sink])
    weights = np.concatenate([lengths * STIFFNESS] * 2 + [wanted.clip(0), (-wanted).clip(0)])
    capacity = coo_matrix(((weights * 1e10).astype(np.int32), (rows, columns)), shape=(count + 2,) * 2).tocsr()
    residual = capacity - maximum_flow(capacity, count, count + 1).flow
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    positive = np.zeros(count + 2, bool)
    positive[breadth_first_order(residual, count, return_predecessors=False)] = True
    return positive[:count]


def _without_ears(mesh, faces, part):
    """`part` [N] with every triangle that shares two sides with one other part given to it."""
    pairs, _ = mesh.seams(faces)
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    for _ in range(10):
        theirs = np.zeros((len(part), len(MIRROR)), int)
        np.add.at(theirs, (pairs[:, 0], part[pairs[:, 1]]), 1)
        theirs[np.arange(len(part)), part] = 0
        part = np.where(theirs.max(axis=1) >= 2, theirs.argmax(axis=1), part)
    return part


def _unit(vector):
    return vector / np.linalg.norm(vector)
