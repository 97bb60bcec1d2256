"""Bodies of every shape and age in their poses."""

from dataclasses import dataclass

import numpy as np

from edgemask.convert.body import look, poses, skeleton
from edgemask.convert.body.model import body_model

TRIES = 4  # Poses drawn for each person; if limbs run through each other in all of them, the person just stands.
STILL = {joint: 0.0 for joint in ("root.pitch", "root.roll")}


@dataclass(frozen=True)
class Person:
    """What is drawn before the body is computed: phenotype values, pose family, tries of pose angles, look."""

    phenotype: dict[str, float]
    family: str
    tries: list[dict[str, float]]
    look: look.Look


@dataclass(frozen=True)
class Body:
    """A posed body whose lowest point is on the floor, facing −y: vertices float32 [V, 3], limbs float [C, 2, 3] and their
    radii [C],
    keypoints float [17, 3] in COCO's order; `overlap` is the worst of its limbs' in metres, `still` whether every try was
    rejected."""

    person: Person
    vertices: np.ndarray
    limbs: np.ndarray
    radii: np.ndarray
    keypoints: np.ndarray
    overlap: float
    still: bool

    def moved(self, degrees: float, to) -> "Body":
        """Turned about the vertical and put somewhere on the floor."""
        rotation, to = skeleton.turn(skeleton.Z, degrees), np.array([*to, 0.0])

        def put(points):
            return (points @ rotation.T + to).astype(points.dtype)

        return Body(self.person, put(self.vertices), put(self.limbs), self.radii, put(self.keypoints), self.overlap, self.still)


def sample(random: np.random.Generator, families, usual=(), share: float = 0.0) -> Person:
    """Somebody at random, from a child of about five to old age; a share of them in one of the `usual` families as far as these
    are among `families`."""
    family = families[random.integers(len(families))]
    if usual := [name for name in usual if name in families]:
        family = usual[random.integers(len(usual))] if random.random() < share else family
    age = random.choice([random.uniform(0.24, 0.6), random.uniform(0.6, 0.8), random.uniform(0.8, 1.0)], p=[0.22, 0.58, 0.2])
    phenotype = {
        "gender": random.beta(0.4, 0.4), "age": age, "muscle": random.beta(2.5, 2.5), "weight": random.beta(2.2, 2.4),
        "height": float(np.clip(random.normal(0.48, 0.07), 0.3, 0.68)), "proportions": random.uniform(0.1, 0.9),
    }  # fmt: skip
    tries = [poses.sample(random, family) for _ in range(TRIES)]
    return Person(phenotype, family, tries, look.sample(random, phenotype))


def _standing():
    middle = {joint: 0.0 for joint in poses.RELAXED} | {"shoulder.abduct": 22.0, "elbow.flex": 15.0, "hip.abduct": 5.0}
    sided = {f"{joint}.{side}": value for joint, value in middle.items() for side in "LR"}
    return middle | sided


def bodies(people: list[Person]) -> list[Body]:
    """The people's bodies, computed together; of each person's tries the first whose limbs do not run through each other."""
    import torch

    model, each = body_model(), TRIES + 1
    standing = _standing()
    pose = np.array([[skeleton.pose(angles) for angles in (*one.tries, standing)] for one in people])
    shape = {name: torch.tensor([one.phenotype[name] for one in people], dtype=torch.float64) for name in people[0].phenotype}
    with torch.no_grad():
        rest = model.get_rest_model(model.get_phenotype_blendshape_coefficients(**shape))
        transforms, posed = model.get_bone_transforms(torch.from_numpy(pose.reshape(-1, *pose.shape[2:])),
                                                      rest["rest_bone_poses"].repeat_interleave(each, 0))  # fmt: skip
        heads = posed[:, :, :3, 3].numpy().reshape(len(people), each, -1, 3)
        thick = np.array([skeleton.radii(*pair) for pair in zip(rest["rest_vertices"].numpy(), rest["rest_bone_heads"].numpy())])
        worst = skeleton.self_overlap(heads, thick[:, None])
        fine = worst < skeleton.DEPTH
        fine[:, -1] = True
        taken = fine.argmax(axis=1)
        pick = torch.arange(len(people)) * each + torch.from_numpy(taken)
        vertices = model.get_skinned_vertices(rest["rest_vertices"], transforms[pick])
        keypoints = _regressor()({"vertices": vertices}).numpy()[:, :17]
    vertices = vertices.numpy()
    found = []
    for index, one in enumerate(people):
        floor = np.array([0, 0, vertices[index, :, 2].min()])
        found.append(Body(one, (vertices[index] - floor).astype(np.float32), skeleton.capsules(heads[index,
        taken[index]]) - floor, thick[index],
                          keypoints[index] - floor, float(worst[index, taken[index]]), bool(taken[index] == TRIES)))  # fmt: skip
    return found


def _regressor():
    from anny.keypoints import KeypointsRegressor

    return KeypointsRegressor.coco(body_model())
