"""The body's surface in its rest pose, as numpy arrays."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree


class Mesh:
    """`body_model()` at rest with every phenotype at its mean, 1.63 m tall; a closed surface that is its own mirror image.

    vertices float64 [V, 3] in metres, faces int32 [F, 3], `joints` bone heads by name, `texture` [F, 3, 2] MakeHuman's layout.
    `island` [F] numbers what hangs together there: the `head`, the `body`, the right `hand` and `foot`, and more.
    `skin` [F] is all but eyeballs and tongue, `inner` [F] these and what lines mouth and eye sockets.
    """

    def __init__(self, model):
        rest = model()
        self.vertices = rest["rest_vertices"][0].double().numpy()
        self.faces = model.faces.numpy().astype(np.int32)
        self.bones = list(model.bone_labels)
        self.joints = dict(zip(self.bones, rest["rest_bone_heads"][0].double().numpy()))
        self._skinning = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
        layout = model.face_texture_coordinate_indices.numpy()
        self.texture = model.texture_coordinates.numpy()[layout]
        self.island, self.solid = connected(layout), connected(self.faces)
        self.skin = self.solid == np.bincount(self.solid).argmax()
        corners = self.vertices[self.faces]
        self.centres = corners.mean(axis=1)
        right = self.centres[:, 0] < 0
        self.head, self.hand = self.island[self.centres[:, 2].argmax()], self.island[self.centres[:, 0].argmin()]
        self.foot, self.body = self.island[np.where(right, self.centres[:, 2], 0).argmin()], np.bincount(self.island).argmax()
        outer = np.isin(self.island, [self.head, self.hand, self.foot, self.body])
        self.areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
        self.mirror = cKDTree(self.vertices).query(self.vertices * [-1, 1, 1])[1]
        self.inner = ~(outer | (~right & outer[self.twins(np.arange(len(self.faces)))[0]]))

    def weight(self, *prefixes) -> np.ndarray:
        """The share [F] of the bones so named in what moves each triangle."""
        ours = np.array([bone.startswith(prefixes) for bone in self.bones])
        indices, weights = self._skinning
        return (weights * ours[indices]).sum(axis=1)[self.faces].mean(axis=1)

    def twins(self, which):
        """For triangles `which` [N] those on the other side [N], and which of ours mirrors each corner of theirs [N, 3]."""
        known = {frozenset(face): index for index, face in enumerate(self.faces.tolist())}
        images = self.mirror[self.faces[which]]
        twins = np.array([known[frozenset(face)] for face in images.tolist()])
        return twins, (self.faces[twins][:, :, None] == images[:, None, :]).argmax(axis=2)

    def seams(self, which):
        """Pairs of `which`'s triangles (positions in it) that share an edge [E, 2], and the edges' lengths [E]."""
        edges = np.sort(self.faces[which][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        order = np.lexsort(edges.T)
        first = np.flatnonzero((edges[order[1:]] == edges[order[:-1]]).all(axis=1))
        ends = self.vertices[edges[order[first]]]
        return np.stack([order[first], order[first + 1]], axis=1) // 3, np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)


def connected(faces) -> np.ndarray:
    """Which piece [F] each triangle belongs to, pieces numbered by the vertices [F, 3] they share."""
    links = coo_matrix((np.ones(faces.size), (faces.ravel(), np.roll(faces, 1, axis=1).ravel())))
    size = max(links.shape)
    links.resize(size, size)
    return np.unique(connected_components(links, directed=False)[1][faces[:, 0]], return_inverse=True)[1]
