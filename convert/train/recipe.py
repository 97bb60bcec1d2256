"""The recipe: one TOML file that says everything about a training run."""

import argparse
import hashlib
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from edgemask.arguments import input_size
from edgemask.errors import OptionError

IMAGENET = "imagenet"


@dataclass(frozen=True)
class Recipe:
    """A training run. Paths are relative to the recipe's own folder.

    train: COCO json, or a list of them; val: COCO json; start: checkpoint of this family whose weights are taken as far as
    their shapes fit, or "imagenet"; classes: category names, those of the first training set when not given.
    """

    train: tuple[Path, ...]
    val: Path
    start: str = IMAGENET
    classes: tuple[str, ...] = ()
    licence: str = "not stated"
    input: tuple[int, int] = (320, 320)  # width, height
    iterations: int = 3000  # 0: none, only what `quantised` asks for
    batch: int = 8  # pictures an iteration, over all processes
    rate: float = 5e-4  # AdamW's peak learning rate; half of it for the backbone
    warmup: int = 200  # iterations
    decay: float = 0.03  # weight decay
    frozen: int = 3  # the stem and so many blocks of the backbone stay as they are
    heads: bool = False  # only the heads learn, a third of the time an iteration; the trunk stays as it is
    average: float = 0.9995  # of the weights' exponential moving average, which is what is kept
    scale: tuple[float, float] = (0.6, 1.7)  # around the letterbox's
    aspect: float = 0.12
    rotation: float = 4.0  # degrees
    colour: float = 0.3
    flip: bool = True
    paste: float = 0.3  # share of pictures that get instances of another one (Ghiasi et al. 2021)
    empty: float = 0.0  # share of views that show none of the objects: windows between them, up to three times as large
    dense: tuple[Path, ...] = ()  # COCO jsons with iuv maps (convert.body), from which a dense head learns too
    weak: tuple[Path, ...] = ()  # COCO jsons whose keypoints tell it something
    bodies: int = 6  # pictures of these an iteration, over all processes; a set named twice is drawn twice as often
    quantised: int = 0  # iterations of quantisation-aware fine-tuning in the end, kept when int8 gains 0.3 mask AP or more by it
    val_minutes: float = 15.0
    save_minutes: float = 5.0
    seed: int = 0
    sha256: str = ""  # of the file


def read_recipe(path) -> Recipe:
    """Read a recipe file; raises OptionError, a sentence that names the file and the entry."""
    path = Path(path)
    try:
        content = path.read_bytes()
        entries = tomllib.loads(content.decode())
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise OptionError(f"{path} is not TOML: {error}") from error
    known = {field.name: field.type for field in fields(Recipe) if field.name != "sha256"}
    for name in entries:
        if name not in known:
            raise OptionError(f"{path}: no entry is called {name!r}; there are {', '.join(known)}")
    for name in ("train", "val"):
        if name not in entries:
            raise OptionError(f'{path} says nothing of {name}: {name} = "{name}.json" names a COCO json')
    values = {name: _value(path, name, known[name], value) for name, value in entries.items()}
    recipe = Recipe(**values, sha256=hashlib.sha256(content).hexdigest())
    for name in ("batch", "rate", "bodies"):
        if getattr(recipe, name) <= 0:
            raise OptionError(f"{path}: {name} must be above 0")
    if min(recipe.iterations, recipe.quantised) < 0 or not recipe.iterations + recipe.quantised:
        raise OptionError(f"{path}: iterations and quantised must not be below 0, and one of them above")
    if not 0 < recipe.scale[0] <= recipe.scale[1]:
        raise OptionError(f"{path}: scale = [smallest, largest], both above 0")
    return recipe


def _value(path, name, kind, value):
    """An entry as the field's type; paths are looked up beside the recipe."""
    try:
        if name in ("train", "dense", "weak", "classes"):
            items = tuple([value] if isinstance(value, str) else value)
            if not items or not all(isinstance(item, str) for item in items):
                raise ValueError
            return items if name == "classes" else tuple(path.parent / item for item in items)
        if name == "input":
            return input_size(value)
        if name == "scale":
            low, high = map(float, value)
            return low, high
        if name == "val":
            return path.parent / value
        if name == "start" and value != IMAGENET:
            return str(path.parent / value)
        if isinstance(value, bool) != (kind is bool) or (kind is int and not isinstance(value, int)):
            raise ValueError
        return kind(value)
    except argparse.ArgumentTypeError as error:
        raise OptionError(f"{path}: input = {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise OptionError(f"{path}: {name} = {value!r} is not a value for it (see edgemask train --help)") from error
