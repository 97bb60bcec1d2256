"""Which way somebody faces, held from frame to frame."""

import numpy as np

from edgemask import masks
from edgemask.parts import NAMES, TURNED

BEFORE, VOTING = 0.2, 0.5  # seconds in which what a frame is compared with and its vote fade to a third
OTHER = np.array(TURNED)  # by part
CHANNELS = OTHER[1:] - 1
LIMBS = np.array([not name.startswith("torso") for name in NAMES[1:]])


def turn(parts: np.ndarray, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The grids of a head that took front for back put right: logits [..., 24], uint8 U and V [..., 2, 24].

    U goes round a limb one way on the left, the other way on the right; across the trunk it goes the same way in front and
    behind.
    """
    uv = uv[..., CHANNELS]
    uv[..., 0, LIMBS] = 255 - uv[..., 0, LIMBS]
    return parts[..., CHANNELS], uv


class Facing:
    """Whether the head has one person's front for its back, by what it said before.

    A head that sees one frame takes a back for a front now and then, and left for right with it. Who really turns does so
    over many frames, each much like the one before. So each frame either goes with those just before it, or does so turned,
    and that is its vote: what most of the last moments say is how it is.
    """

    def __init__(self):
        self.memory, self.votes, self.seen = None, 0.0, 0.0

    def __call__(self, parts: np.ndarray, grid: np.ndarray, now: float) -> bool:
        """Whether to `turn` this frame's grids: logits [S, S, 24] in any steps, mask probabilities [S, S]; now: seconds."""
        rows, columns = np.nonzero(grid >= masks.CUT)
        labels = parts[rows, columns].argmax(axis=1) + 1
        if self.memory is None:
            self.memory, self.seen = np.zeros((len(OTHER), *grid.shape), np.float32), now
        gap, self.seen = now - self.seen, now
        straight, turned = (float(self.memory[one, rows, columns].sum()) for one in (labels, OTHER[labels]))
        against = turned > straight
        sure = abs(straight - turned) / (straight + turned) if straight + turned else 1.0
        self.votes = self.votes * np.exp(-gap / VOTING) + (-sure if against else sure)
        self.memory *= np.exp(-gap / BEFORE)
        self.memory[OTHER[labels] if against else labels, rows, columns] += 1
        if self.votes < 0:
            self.memory, self.votes, against = self.memory[OTHER], -self.votes, not against
        return against
