"""The manifest's contract: what every bundle says about itself, and of which kind each entry is."""

SCHEMA = "edgemask.bundle/1"
STAGES = ("trunk", "box", "mask")


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


def zero_point(value) -> bool:
    """A value of an int8 or uint8 tensor."""
    return isinstance(value, int) and -128 <= value <= 255


# Other keys may stand beside these: fields are only ever added.
ENGINE = {"file": text, "sha256": text, "tensors": [{"name": text, "shape": [dimension], "dtype": text}]}
LAYOUT = {
    "name": text,
    "licence": text,
    "precision": text,
    "classes": [text],
    "input": {"width": whole, "height": whole, "pad": number},
    "anchors": {"strides": [whole], "sizes": [positive], "ratios": [positive]},
    "proposals": {"per_level": whole, "min_side": number, "nms_input": whole, "nms": number, "keep": whole},
    "detections": {"score": number, "nms": number, "keep": whole},
    "box_coder": {"rpn": [positive], "box": [positive], "clamp": positive},
    "roi": {"levels": [text], "canonical": positive, "samples": whole, "box": whole, "mask": whole},
    "source": {"checkpoint": text, "sha256": text, "tools": {}},
    "stages": {stage: {} for stage in STAGES},
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
    levels = len(manifest["anchors"]["strides"])
    if len(manifest["anchors"]["sizes"]) != levels:
        raise ValueError("has not as many anchor sizes as strides")
    wanted = {"box_scores", "box_deltas", "mask_logits", *manifest["roi"]["levels"]}
    wanted |= {f"{kind}_{level}" for kind in ("objectness", "deltas") for level in range(levels)}
    for engine in set.intersection(*(set(manifest["stages"][stage]) for stage in STAGES)):
        found = {one["name"] for stage in STAGES for one in manifest["stages"][stage][engine]["tensors"]}
        if missing := sorted(wanted - found):
            raise ValueError(f"describes no output {missing[0]} for engine {engine}")


def _check(value, layout, where):
    if callable(layout):
        if not layout(value):
            raise ValueError(f"says {str(value)[:40]!r} at {where[1:]}, which makes no sense there")
    elif not isinstance(value, type(layout)) or (layout and not value):
        raise ValueError(f"has no {where[1:]}, or one of another kind")
    elif isinstance(layout, list):
        for index, item in enumerate(value):
            _check(item, layout[0], f"{where}[{index}]")
    else:
        for key, inner in layout.items():
            _check(value.get(key), inner, f"{where}.{key}")
