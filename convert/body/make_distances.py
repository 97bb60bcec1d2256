"""Makes distances.npz for the atlas.

    python -m edgemask.convert.body.make_distances

Samples are the farthest points from those before (Gonzalez 1985), chosen on the right with their mirror images on the left.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from edgemask.command import exit_code
from edgemask.convert.body.geodesic import distances_from, surface_graph
from edgemask.convert.body.mesh import Mesh
from edgemask.convert.body.model import body_model
from edgemask.files import replacing
from edgemask.progress import progress

PAIRS = 600


def make(mesh) -> dict:
    """`Distances`' arrays for a `mesh.Mesh`, the table as its upper triangle by rows."""
    graph = surface_graph(mesh.vertices, mesh.faces[mesh.skin])
    candidates = np.unique(mesh.faces[~mesh.inner])
    candidates = candidates[mesh.vertices[candidates, 0] < -1e-3]
    chosen = [int(candidates[mesh.vertices[candidates, 2].argmax()])]
    rows, nearest = [], np.full(len(mesh.vertices), np.inf)
    for _ in progress(range(PAIRS), "samples"):
        rows.append(distances_from(graph, chosen[-1], len(mesh.vertices)))
        nearest = np.minimum(nearest, np.minimum(rows[-1], rows[-1][mesh.mirror]))
        chosen.append(int(candidates[nearest[candidates].argmax()]))
    chosen, rows = chosen[:PAIRS], np.array(rows)
    samples = np.concatenate([chosen, mesh.mirror[chosen]])
    rows = np.concatenate([rows, rows[:, mesh.mirror]])
    table = rows[:, samples]
    # Eyeballs and tongue hang on nothing: their triangles take the skin nearest in space.
    vertices = np.unique(mesh.faces[mesh.skin])
    middle = vertices[cKDTree(mesh.vertices[vertices]).query(mesh.centres)[1]]
    nearest = rows[:, middle].argmin(axis=0)
    right = np.flatnonzero(mesh.centres[:, 0] < 0)
    nearest[mesh.twins(right)[0]] = (nearest[right] + PAIRS) % (2 * PAIRS)
    return {
        "places": mesh.centres.astype(np.float16),
        "sample": nearest.astype(np.uint16),
        "table": ((table + table.T) / 2)[np.triu_indices(len(samples), 1)].astype(np.float16),
    }


def main() -> None:
    """Write the distances into the package."""
    distances = make(Mesh(body_model()))
    with replacing(Path(__file__).with_name("distances.npz")) as temporary:
        np.savez_compressed(temporary, **distances)


if __name__ == "__main__":
    sys.exit(exit_code(main))
