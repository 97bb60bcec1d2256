"""Charts: a disk of triangles flattened onto the unit square, one to one by construction."""

import numpy as np
from scipy.sparse import coo_matrix, eye
from scipy.sparse.linalg import spsolve


def rim(faces) -> np.ndarray:
    """The boundary of the disk `faces` [F, 3] as its vertices in order, with the surface on the left when seen from outside."""
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    inner = {(b, a) for a, b in edges.tolist()}
    following = {a: b for a, b in edges.tolist() if (a, b) not in inner}
    loop = [min(following)]
    while (vertex := following[loop[-1]]) != loop[0]:
        loop.append(vertex)
    if len(loop) != len(following):
        raise ValueError(f"{len(faces)} triangles are no disk: of {len(following)} boundary edges {len(loop)} are in one loop")
    return np.array(loop)


def flatten(vertices, faces, loop, places, scale, rounds=30) -> np.ndarray:
    """Vertices [V, 3] of the disk `faces` [F, 3] to the plane [V, 2], the boundary `loop` [B] fixed at `places` [B, 2] (convex).

    Mean value coordinates (Floater 2003) are positive, so the map is one to one (Tutte 1963, Floater 1997); weights divided by
    the stretch at their ends, round by round, even it out and stay positive (Yoshizawa, Belyaev and Seidel 2004). `scale` [F] is
    how long a triangle's metre counts. Vertices outside `faces` are NaN.
    """
    used, local = np.unique(faces, return_inverse=True)
    local = local.reshape(faces.shape)
    fixed = np.searchsorted(used, loop)
    plane = np.zeros((len(used), 2))
    plane[fixed] = places
    weights = _mean_value_weights(vertices[used], local)
    best, least = None, np.inf
    for _ in range(rounds):
        plane = _solve(weights, plane, fixed)
        stretch, energy = _stretch(vertices[used], local, plane, scale)
        if energy >= least:
            break
        best, least = plane, energy
        weights = weights.multiply(1 / stretch[None, :]).tocsr()
    whole = np.full((len(vertices), 2), np.nan)
    whole[used] = best
    return whole


def _mean_value_weights(vertices, faces):
    rows, columns, values = [], [], []
    for corner in range(3):
        here, after, before = (faces[:, (corner + k) % 3] for k in range(3))
        one, two = vertices[after] - vertices[here], vertices[before] - vertices[here]
        a, b = np.linalg.norm(one, axis=1), np.linalg.norm(two, axis=1)
        half = np.linalg.norm(np.cross(one, two), axis=1) / (a * b + (one * two).sum(axis=1))
        rows += [here, here]
        columns += [after, before]
        values += [half / a, half / b]
    where = np.concatenate(rows), np.concatenate(columns)
    return coo_matrix((np.concatenate(values), where), shape=(len(vertices),) * 2).tocsr()


def _solve(weights, plane, fixed):
    """Every free vertex the weighted mean of its neighbours."""
    free = np.setdiff1d(np.arange(len(plane)), fixed)
    rows = weights[free]
    rows = rows.multiply(1 / rows.sum(axis=1)).tocsr()
    solved = plane.copy()
    solved[free] = spsolve((eye(len(free)) - rows[:, free]).tocsc(), rows[:, fixed] @ plane[fixed])
    return solved


def _stretch(vertices, faces, plane, scale):
    """(Root mean square of metres per unit of the plane round each vertex [V], the same over all): Sander et al. 2001."""
    per_unit = jacobians(vertices[faces], plane[faces]) * scale[:, None, None]
    squares = (per_unit**2).sum(axis=(1, 2)) / 2
    corners = vertices[faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) * scale**2
    total = np.zeros((2, len(vertices)))
    for corner in range(3):
        np.add.at(total[0], faces[:, corner], areas * squares)
        np.add.at(total[1], faces[:, corner], areas)
    return np.sqrt(total[0] / total[1]), (areas * squares).sum()


def jacobians(corners, uv) -> np.ndarray:
    """Metres per unit of U and of V, [F, 3, 2], of triangles with `corners` [F, 3, 3] in space, `uv` [F, 3, 2] in the chart."""
    return np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2) @ np.linalg.inv(np.swapaxes(uv[:, 1:] - uv[:, :1], 1, 2))
