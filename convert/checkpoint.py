"""Float checkpoints: safetensors files in the key layout of convert/models/person_v8.md."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from edgemask.convert.network import Network
from edgemask.errors import CheckpointError


@dataclass(frozen=True)
class Checkpoint:
    """A loaded network in eval mode with what its file says about it."""

    network: Network
    classes: tuple[str, ...]
    licence: str
    file: str
    sha256: str


def load_checkpoint(path) -> Checkpoint:
    """Read a checkpoint and build the network it holds; raises CheckpointError."""
    path = Path(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key).float() for key in file.keys()}
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors checkpoint: {error}") from error
    if "box.scores.bias" not in state:
        raise CheckpointError(f"{path} has no key box.scores.bias: it is not a checkpoint of this model family")
    count = len(state["box.scores.bias"]) - 1
    classes = tuple(name.strip() for name in metadata.get("classes", "").split(",") if name.strip())
    if len(classes) != count:
        raise CheckpointError(f"{path} scores {count} classes but its metadata 'classes' names {len(classes)}")
    network = Network(count, dense=any(key.startswith("dense.") for key in state))
    _fill(network, state, path)
    return Checkpoint(network.eval(), classes, metadata.get("licence", "not stated"), path.name, digest)


def save_checkpoint(network: Network, classes, path, licence: str = "not stated", **more: str):
    """Write a network as a checkpoint: weights of layers float16, the rest float32; `more` goes into its metadata."""
    state = {
        key: (value.half() if value.ndim > 1 else value).contiguous()
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    metadata = {"classes": ",".join(classes), "licence": licence, "family": "edgemask-lite0-fpn96", **more}
    save_file(state, path, metadata)


def _fill(network, state, path):
    wanted = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    for key, value in wanted.items():
        if key not in state:
            raise CheckpointError(f"{path} lacks the key {key}")
        if state[key].shape != value.shape:
            raise CheckpointError(f"{path}: {key} is {list(state[key].shape)}, this family has {list(value.shape)}")
        if not torch.isfinite(state[key]).all():
            raise CheckpointError(f"{path}: {key} holds values that are not finite")
    if extra := sorted(set(state) - set(wanted)):
        raise CheckpointError(f"{path} has keys this family does not know: {', '.join(extra[:3])}")
    network.load_state_dict(state, strict=False)
