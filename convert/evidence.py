"""What a quantisation report shows: what each technique gave, which layers int8 hurts, where it is furthest from float."""

from edgemask import draw
from edgemask.calibration.calibrate import TECHNIQUES
from edgemask.convert.conversion import Conversion
from edgemask.evaluate import KINDS, difference


def gather(conversion: Conversion, annotations=None, choices=()) -> tuple[dict, list[dict]]:
    """(report, worst pictures) of a conversion that was quantised, and measured where there are annotations.

    report: {"calibration", "agreement", "accuracy" by model, "choices" (budget.meet), "sensitivity" by stage,
    "techniques" rows}; worst: the pictures where int8 is furthest from float, {"name", "iou", "float", "int8"}.
    """
    summary = conversion.summary("int8")
    report = {
        "calibration": summary["calibration"],
        "agreement": summary["agreement"]["outputs"],
        "accuracy": {name: one.summary for name, one in conversion.measured.items()},
        "choices": list(choices),
        "sensitivity": conversion.quantiser.sensitivity(conversion.plan),
    }
    names = (path.name for path in conversion.compared.items)
    worst = worst_pictures(conversion.models["float"], conversion.models["tflite"], zip(names, conversion.compared, strict=True))
    report["techniques"] = techniques(conversion, annotations) if annotations else []
    return report, worst


def techniques(conversion: Conversion, annotations) -> list[dict]:
    """What each step of the calibration gave, all in int8, on LiteRT: SQNR by stage, box and mask AP less float's with
    its interval. The conversion ends as it was."""
    plan, kept, rows = conversion.plan, dict(conversion.measured), []
    for technique in TECHNIQUES:
        conversion.quantise(dict.fromkeys(conversion.names, technique), ("tflite",))
        found = conversion.measure(annotations, ("tflite",))
        gaps = {kind: [round(value, 2) for value in difference(found["tflite"], found["float"], kind)] for kind in KINDS}
        rows.append({"technique": str(technique), "sqnr_db": conversion.decibels(), **gaps})
    conversion.measured = kept
    conversion.quantise(plan)
    return rows


def worst_pictures(exact, int8, pictures, count: int = 10) -> list[dict]:
    """The pictures on which the two models' class maps agree least.

    exact, int8: models; pictures: RGB, each with a name as (name, rgb). Agreement is the IoU of what is masked at
    score ≥ 0.5, 1 where both find nothing.
    """
    found = []
    for name, rgb in pictures:
        one, other = exact(rgb).above(0.5), int8(rgb).above(0.5)
        first, second = one.semantic(), other.semantic()
        union = int(((first > 0) | (second > 0)).sum())
        iou = int(((first == second) & (first > 0)).sum()) / union if union else 1.0
        found.append({"name": name, "iou": round(iou, 3), "rgb": rgb, "found": (one, other)})
        found = sorted(found, key=lambda entry: entry["iou"])[:count]
    return [
        {"name": one["name"], "iou": one["iou"],
         "float": draw.overlay(one["rgb"], one["found"][0]), "int8": draw.overlay(one["rgb"], one["found"][1])}
        for one in found
    ]  # fmt: skip
