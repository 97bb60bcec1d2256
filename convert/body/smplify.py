"""Fitting the body to keypoints and masks, many people at once: SMPLify (Bogo et al. 2016, arXiv 1607.08128).

Reprojection under a robust loss, joints within their limits and near their habits, a likely shape, and, where SMPLify has
keypoints alone, the silhouette: skin off the mask pays for its distance, and so does mask far off any skin. Everybody is
started standing and sitting and facing four ways, on the keypoints alone; the best two go on with the silhouette, and the better
of them to its shape.
"""

import math
from dataclasses import dataclass

from edgemask.convert.body.reduced import PHENOTYPES, ReducedBody
from edgemask.convert.body.targets import REACH, Targets

STATURE = 1.62  # metres, of the body with every phenotype in its middle
# What the descent starts from: how far the body is turned from facing the camera, how far hips and knees are bent.
STARTS = tuple((0.5 * math.pi * quarter, bent) for quarter in range(4) for bent in (0.2, 1.4))
KEYPOINT, OFF, BARE = 0.012, 0.015, 0.015  # boxes: what one unit of each loss is
FAR, CLOSE = 24.0, 8.0  # units, beyond which an error hardly pulls any more (Geman and McClure): at first, and then
TRUNK = 0.1  # metres around the line from hips to shoulders where no elbow or wrist is
SHAPE_MEAN = (0.0, 0.7, 0.0, 0.0, 0.0, 0.0)  # An adult: anny's age 0.67 is a young one, 0.33 a child.
POSE = ("turn", "angles", "camera")


@dataclass
class Fit:
    """B bodies, float32 tensors: base [B, 3, 3] and turn [B, 3], rotation vector before it: the pelvis's rotation; angles [B, D];
    camera [B, 3]: the pelvis's place across and down in boxes from the principal point, and the logarithm of its distance in
    metres; shape [B, 6], phenotypes before a sigmoid."""

    base: object
    turn: object
    angles: object
    camera: object
    shape: object

    def root(self):
        import roma

        return roma.rotvec_to_rotmat(self.turn) @ self.base

    def phenotypes(self):
        return self.shape.sigmoid()

    def translation(self, focal):
        """Where the pelvis is in the camera's axes (x right, y down, z away), metres [B, 3]; focal [B] in boxes."""
        import torch

        depth = self.camera[:, 2].exp()
        return torch.cat([self.camera[:, :2] * (depth / focal)[:, None], depth[:, None]], dim=1)

    def __getitem__(self, rows) -> "Fit":
        return Fit(*(getattr(self, name)[rows].detach() for name in self.__dataclass_fields__))


def fit(body: ReducedBody, targets: Targets) -> Fit:
    """The bodies of these people."""
    import torch

    count = len(targets.focal)
    several = targets[torch.arange(count).repeat(len(STARTS))]
    found = _start(body, several, *torch.tensor(STARTS).repeat_interleave(count, dim=0).T)
    found = _best(found, _descend(body, several, found, 60, 0.07, POSE, robust=FAR, silhouette=False), count, keep=2)
    several = targets[torch.arange(count).repeat(2)]
    found = _best(found, _descend(body, several, found, 90, 0.05, POSE, robust=CLOSE), count, keep=1)
    _descend(body, targets, found, 110, 0.04, (*POSE, "shape"), robust=CLOSE)
    return found


def _best(fit, losses, count, keep):
    """Of several fits of each of `count` people those with the least losses, best first."""
    import torch

    order = losses.reshape(-1, count).argsort(dim=0)[:keep]
    return fit[(order * count + torch.arange(count)).reshape(-1)]


def to_camera(points):
    """The model's axes (x left, y back, z up of one who faces the camera) as the camera's: x right, y down, z away."""
    import torch

    return torch.stack([points[..., 0], -points[..., 2], points[..., 1]], dim=-1)


def project(points, fit: Fit, targets: Targets):
    """Points [B, N, 3] around the pelvis, in boxes around the box's middle: [B, N, 2]."""
    at = to_camera(points) + fit.translation(targets.focal)[:, None]
    return targets.focal[:, None, None] * at[..., :2] / at[..., 2:].clamp(min=0.05) + targets.principal[:, None]


def _start(body, targets, yaw, bent):
    import roma
    import torch

    count, up = len(yaw), torch.tensor([0.0, 0, 1])
    seen = targets.weights > 0
    trunk = targets.keypoints[:, 11:13].mean(dim=1) - targets.keypoints[:, 5:7].mean(dim=1)
    roll = torch.where(seen[:, [5, 6, 11, 12]].all(dim=1), torch.atan2(-trunk[:, 0], trunk[:, 1]), torch.zeros(count))
    # Clockwise in the picture is about the model's y, which points away from the camera.
    base = roma.rotvec_to_rotmat(roll[:, None] * torch.tensor([0.0, 1, 0])) @ roma.rotvec_to_rotmat(yaw[:, None] * up)
    depth = (targets.focal * STATURE / targets.stature).log()
    shape = torch.zeros(count, PHENOTYPES)
    shape[:, 1] = SHAPE_MEAN[1]
    angles = body.joints.mean.repeat(count, 1)
    for name, sign in (("upperleg01", -1), ("lowerleg01", 1)):
        angles[:, [body.joints.names.index(f"{name}.{side} 0") for side in "LR"]] = sign * bent[:, None]
    found = Fit(base, torch.zeros(count, 3), angles,
                torch.stack([torch.zeros(count), torch.zeros(count), depth], dim=1), shape)  # fmt: skip
    with torch.no_grad():
        _, keypoints = body(found.root(), found.angles, found.phenotypes())
        apart = (targets.keypoints - project(keypoints, found, targets)) * targets.weights[..., None]
        found.camera[:, :2] = apart.sum(dim=1) / targets.weights.sum(dim=1, keepdim=True)
    return found


def _descend(body, targets, fit, steps, rate, names, robust, silhouette=True):
    """Adam on some of the fit, in place; the last losses [B]."""
    import torch

    for name in names:
        setattr(fit, name, getattr(fit, name).detach().requires_grad_())
    moved = [getattr(fit, name) for name in names]
    optimiser = torch.optim.Adam(moved, lr=rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, rate / 10)
    with torch.no_grad():
        rest = body.rest(fit.phenotypes())
    for _ in range(steps):
        if "shape" in names:
            rest = body.rest(fit.phenotypes())
        points, keypoints = body.skin(body.rotations(fit.root(), fit.angles), rest, skin=silhouette)
        losses = _keypoint_loss(keypoints, fit, targets, robust) + _prior(body.joints, fit) + _overlap(keypoints)
        if silhouette:
            losses = losses + _silhouette_loss(points, fit, targets, robust)
        optimiser.zero_grad()
        losses.sum().backward()
        optimiser.step()
        schedule.step()
    for name in names:
        setattr(fit, name, getattr(fit, name).detach())
    return losses.detach()


def _robust(squares, width):
    return squares / (1 + squares / width**2)


def _keypoint_loss(keypoints, fit, targets, robust):
    apart = (project(keypoints, fit, targets) - targets.keypoints).square().sum(dim=-1)
    return (targets.weights * _robust(apart / KEYPOINT**2, robust)).sum(dim=1)


def _silhouette_loss(points, fit, targets, robust):
    import torch
    from torch.nn.functional import grid_sample

    at = project(points, fit, targets)
    off = grid_sample(targets.field, at[:, None] / REACH, align_corners=False, padding_mode="border")[:, 0, 0]
    low, high = targets.frame[:, None, :2], targets.frame[:, None, 2:]
    paying = targets.sight * ((at > low) & (at < high)).all(dim=-1)
    off = (paying * _robust((off / OFF).square(), robust)).sum(dim=1) / paying.sum(dim=1).clamp(min=60)
    with torch.no_grad():
        # Squares of distances less what all have in common; a limb out of sight explains no mask.
        far = at.square().sum(dim=-1) + 9 * (targets.sight == 0)
        nearest = (far[:, None] - 2 * targets.outline @ at.transpose(1, 2)).argmin(dim=-1)
    bare = targets.outline - at.gather(1, nearest[..., None].expand(-1, -1, 2))
    bare = (bare.square().sum(dim=-1) + 1e-8).sqrt() - 0.01
    return 60 * off + 40 * _robust((bare.clamp(min=0) / BARE).square(), robust).mean(dim=1)


def _overlap(keypoints):
    """Elbows and wrists within the trunk."""
    shoulders, hips = keypoints[:, 5:7].mean(dim=1), keypoints[:, 11:13].mean(dim=1)
    axis, joints = (hips - shoulders)[:, None], keypoints[:, 7:11] - shoulders[:, None]
    along = ((joints * axis).sum(dim=-1) / axis.square().sum(dim=-1)).clamp(0, 1.1)
    apart = ((joints - along[..., None] * axis).square().sum(dim=-1) + 1e-8).sqrt()
    return ((TRUNK - apart).clamp(min=0) / 0.02).square().sum(dim=1)


def _prior(joints, fit):
    import torch

    over = (fit.angles - joints.high).clamp(min=0) + (joints.low - fit.angles).clamp(min=0)
    habit = ((fit.angles - joints.mean) / joints.deviation).square().sum(dim=1)
    shape = (fit.shape - torch.tensor(SHAPE_MEAN)).square().sum(dim=1)
    # People stand and sit upright before cameras that are held level: their up leans little to or from the camera.
    lean = fit.root()[:, 1, 2]
    return 0.5 * habit + (over / 0.05).square().sum(dim=1) + 0.5 * shape + 0.5 * (lean / 0.3).square()
