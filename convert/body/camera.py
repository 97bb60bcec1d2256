"""Pinhole cameras from a webcam's place to a street camera's."""

from dataclasses import dataclass

import numpy as np

from edgemask.convert.body.skeleton import X, Y, Z, turn

# Share of pictures; angle of view across the longer side, degrees; the first person's length over the picture's height; the
# camera's height over the floor (webcam: over the eyes), metres; spread of people's turn from facing the camera, degrees; usual
# pose families, and how many people are in one.
VIEWS = {
    "webcam": (0.30, (48, 78), (1.5, 4.0), (-0.35, 0.35), 30, ("sitting", "standing", "reaching"), 0.93),
    "room": (0.45, (40, 75), (0.45, 1.5), (0.7, 2.3), 180, (), 0.0),
    "street": (0.25, (25, 65), (0.15, 0.6), (2.2, 6.0), 180, ("walking", "standing"), 0.6),
}
NEAR, FAR = 0.05, 60.0


@dataclass(frozen=True)
class Camera:
    """A lens without distortion, its axis through the picture's middle.

    width, height and focal in pixels; rotation [3, 3] world to camera (x right, y down, z ahead); position [3] in metres.
    Pixel (column, row) covers [column, column + 1) × [row, row + 1).
    """

    width: int
    height: int
    focal: float
    rotation: np.ndarray
    position: np.ndarray

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points [..., 3] to (pixels [..., 2], depth in metres [...])."""
        seen = (points - self.position) @ self.rotation.T
        depth = seen[..., 2]
        middle = np.array([self.width, self.height]) / 2
        return seen[..., :2] / np.maximum(depth, 1e-6)[..., None] * self.focal + middle, depth

    def clip(self) -> np.ndarray:
        """World to clip space [4, 4]; the picture's first row is at y = −1, so that what is read back needs no flip."""
        view = np.eye(4)
        view[:3, :3], view[:3, 3] = self.rotation, -self.rotation @ self.position
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1] = 2 * self.focal / self.width, 2 * self.focal / self.height
        lens[2, 2], lens[2, 3] = (FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
        lens[3, 2] = 1
        return lens @ view


def looking(position, target, roll: float) -> np.ndarray:
    """World-to-camera rotation of a camera at `position` that looks at `target`, rolled by degrees."""
    ahead = (target - position) / np.linalg.norm(target - position)
    right = np.cross(ahead, Z)
    right /= np.linalg.norm(right)
    return turn(Z, roll) @ np.array([right, np.cross(ahead, right), ahead])


def size(random: np.random.Generator) -> tuple[int, int]:
    """Width and height of a picture, the longer side at most 448."""
    aspect = (4 / 3, 3 / 4, 3 / 2, 2 / 3, 16 / 9, 1.0)[random.choice(6, p=(0.45, 0.2, 0.12, 0.05, 0.1, 0.08))]
    longer = int(random.choice((448, 448, 416, 384, 320)))
    return (longer, round(longer / aspect)) if aspect >= 1 else (round(longer * aspect), longer)


def sample(random: np.random.Generator, view: str, low: np.ndarray, high: np.ndarray, eyes: float) -> Camera:
    """A camera on somebody who stands in the box low..high (metres [3]) with the eyes so high, seen from −y."""
    _, angles, shares, heights, *_ = VIEWS[view]
    width, height = size(random)
    focal = max(width, height) / 2 / np.tan(np.radians(random.uniform(*angles)) / 2)
    share = np.exp(random.uniform(*np.log(shares)))
    extent = max(high[2] - low[2], 0.6 * np.linalg.norm((high - low)[:2]), 0.8)
    reach = max(focal * extent / (share * height), 0.5)
    centre = (low + high) / 2
    up = random.uniform(*heights) + (eyes if view == "webcam" else 0.0)
    up = min(max(up, 0.25), centre[2] + 0.65 * reach)
    ahead = np.sqrt(max(reach**2 - (up - centre[2]) ** 2, 0.3 * reach**2))
    aside = turn(Z, random.normal(0, 8))
    position = aside @ np.array([0.0, -ahead, 0.0]) + [centre[0], low[1] if view == "webcam" else centre[1], up]
    aim = np.array(
        [centre[0], centre[1], eyes - random.uniform(0.0, 0.25) if view == "webcam" else random.uniform(low[2], high[2])]
    )
    rotation = looking(position, aim, random.normal(0, 2.5))
    off = (
        np.degrees(np.arctan(np.array([width, height]) / 2 / focal))
        * random.uniform(-0.55, 0.55, 2)
        * (1.0 if share < 1.2 else 0.5)
    )
    return Camera(width, height, focal, turn(Y, off[0]) @ turn(X, off[1]) @ rotation, position)
