"""The manifest's contract: what every bundle says about itself, and of which kind each entry is."""

from edgemask.parts import COUNT

SCHEMA = "edgemask.bundle/1"
STAGES = ("trunk", "box", "mask")
DENSE = "dense"  # the head for body parts, which a bundle may have besides


def number(value) -> bool:
    """A finite number within any sensible bound."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e6


def positive(value) -> bool:
    """A number above zero."""
    return number(value) and value > 0


def whole(value) -> bool:
    """A whole number of at least 1."""
    return isinstance(value, int) and positive(value)


def text(value) -> bool:
    """Some characters."""
    return isinstance(value, str) and value != ""


def dimension(value) -> bool:
    """A size, or the name of a free one."""
    return whole(value) or text(value)


def byte(value) -> bool:
    """A pixel's value."""
    return value == 0 or whole(value) and value <= 255


def dtype(value) -> bool:
    """A type a stage's tensor can have."""
    return value in ("uint8", "int8", "float32")


def zero_point(value) -> bool:
    """A value of an int8 or uint8 tensor."""
    return isinstance(value, int) and -128 <= value <= 255


# Other keys may stand beside these: fields are only ever added.
ENGINE = {
    "file": text,
    "sha256": text,
    "tensors": [{"name": text, "shape": [dimension], "dtype": dtype}],
    "kernels": {"int8": {}, "float": {}},
}
LAYOUT = {
    "name": text,
    "licence": text,
    "precision": text,
    "classes": [text],
    "input": {"width": whole, "height": whole, "pad": byte},
    "anchors": {"strides": [whole], "sizes": [positive], "ratios": [positive]},
    "proposals": {"per_level": whole, "min_side": number, "nms_input": whole, "nms": number, "keep": whole},
    "detections": {"score": number, "nms": number, "keep": whole},
    "box_coder": {"rpn": (positive,) * 4, "box": (positive,) * 4, "clamp": positive},
    "roi": {"levels": [text], "canonical": positive, "samples": whole, "box": whole, "mask": whole},
    "source": {"checkpoint": text, "sha256": text, "tools": {}},
    "stages": {stage: {} for stage in STAGES},
}
# What may be missing, but not be of another kind.
ACCURACY = {"engine": text, "pictures": whole, "set": text, "evaluator": text, "box": {}, "mask": {}}
OPTIONAL = {
    "calibration": {"set": text, "pictures": whole, "ranges": text},
    "accuracy": [ACCURACY],
    "agreement": {"outputs": {}, "pictures": whole},
}


def check(manifest):
    """Raise ValueError, a phrase that says where, for a manifest that breaks the contract."""
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        schema = manifest.get("schema") if isinstance(manifest, dict) else None
        raise ValueError(f"has schema {schema!r}; this version of edgemask reads {SCHEMA!r}")
    _check(manifest, LAYOUT, "")
    for stage, engines in manifest["stages"].items():
        _check(engines, {}, f".stages.{stage}")
        for engine, entry in engines.items():
            _check(entry, ENGINE, f".stages.{stage}.{engine}")
            for tensor in entry["tensors"]:
                if "scale" in tensor and not (positive(tensor["scale"]) and zero_point(tensor.get("zero_point"))):
                    raise ValueError(f"gives tensor {tensor['name']} of {stage} a scale or zero point that is none")
    for section in OPTIONAL.keys() & manifest.keys():
        _check(manifest[section], OPTIONAL[section], f".{section}")
    if "canonical_mask" in manifest["roi"]:
        _check(manifest["roi"]["canonical_mask"], positive, ".roi.canonical_mask")
    if DENSE in manifest["stages"]:
        _check(manifest["roi"].get(DENSE), whole, f".roi.{DENSE}")
    for engine in complete(manifest):
        _check_shapes(manifest, engine)


def held(manifest) -> tuple[str, ...]:
    """The stages that this bundle has, of those there are."""
    return (*STAGES, DENSE) if DENSE in manifest["stages"] else STAGES


def complete(manifest) -> set[str]:
    """Engines for which every stage is there."""
    return set.intersection(*(set(manifest["stages"][stage]) for stage in held(manifest)))


def _check_shapes(manifest, engine):
    """Every input and output the pipeline relies on is there and has the shape the other sections give it."""
    width, height = manifest["input"]["width"], manifest["input"]["height"]
    anchors, roi, classes = manifest["anchors"], manifest["roi"], len(manifest["classes"])
    if len(anchors["sizes"]) != len(anchors["strides"]) or classes > 254:
        raise ValueError("has not as many anchor sizes as strides, or more than 254 classes")
    entries = {stage: manifest["stages"][stage][engine]["tensors"] for stage in held(manifest)}
    shapes = {stage: {one["name"]: tuple(one["shape"]) for one in tensors} for stage, tensors in entries.items()}
    ratios = len(anchors["ratios"])
    wanted = {"trunk": {"image": (1, height, width, 3)}}
    for level, stride in enumerate(anchors["strides"]):
        cells = 1, height // stride, width // stride
        wanted["trunk"] |= {f"objectness_{level}": (*cells, ratios), f"deltas_{level}": (*cells, 4 * ratios)}
    channels = [shapes["trunk"].get(name, (0,))[-1] for name in roi["levels"]]
    for name, stride in zip(roi["levels"], anchors["strides"], strict=False):
        wanted["trunk"][name] = (1, height // stride, width // stride, channels[0])
    wanted["box"] = {"rois": ("N", roi["box"], roi["box"], channels[0]), "box_scores": ("N", classes + 1), "box_deltas": ("N", 4)}
    grid = 2 * roi["mask"]
    wanted["mask"] = {"rois": ("N", roi["mask"], roi["mask"], channels[0]), "mask_logits": ("N", grid, grid, classes)}
    if DENSE in shapes:
        grid = 2 * roi[DENSE]
        wanted[DENSE] = {"rois": ("N", roi[DENSE], roi[DENSE], channels[0])}
        wanted[DENSE] |= {name: ("N", grid, grid, COUNT) for name in ("dense_parts", "dense_u", "dense_v")}
    for stage, tensors in wanted.items():
        for name, shape in tensors.items():
            if shapes[stage].get(name) != shape:
                raise ValueError(f"gives {name} of stage {stage} for {engine} the shape {shapes[stage].get(name)}, not {shape}")


def _check(value, layout, where):
    if callable(layout):
        if not layout(value):
            raise ValueError(f"says {str(value)[:40]!r} at {where[1:]}, which makes no sense there")
    elif isinstance(layout, tuple):
        if not isinstance(value, list) or len(value) != len(layout):
            raise ValueError(f"has not {len(layout)} values at {where[1:]}")
        for index, (item, inner) in enumerate(zip(value, layout, strict=True)):
            _check(item, inner, f"{where}[{index}]")
    elif not isinstance(value, type(layout)) or (layout and not value):
        raise ValueError(f"has no {where[1:]}, or one of another kind")
    elif isinstance(layout, list):
        for index, item in enumerate(value):
            _check(item, layout[0], f"{where}[{index}]")
    else:
        for key, inner in layout.items():
            _check(value.get(key), inner, f"{where}.{key}")
