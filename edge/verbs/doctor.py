"""edgemask doctor: what is wrong on this Pi, and the line that fixes it."""

import json
from dataclasses import asdict

from edgemask.arguments import parser
from edgemask.device import Device
from edgemask.doctor import CHECKS
from edgemask.progress import progress


def main(arguments) -> int:
    """The verb."""
    it = parser(
        "doctor", "Say what is wrong on this machine and how to fix it; exit 1 when something is.",
        "edgemask doctor --json",
    )  # fmt: skip
    it.add_argument("--json", action="store_true", help="print facts and findings as JSON")
    options = it.parse_args(arguments)
    device = Device()
    findings = [finding for check in progress(CHECKS, "checks") for finding in check(device)]
    if options.json:
        print(json.dumps({"device": _facts(device), "findings": [asdict(finding) for finding in findings]}))
    else:
        print("\n".join(_lines(device, findings)))
    return int(any(finding.wrong for finding in findings))


def _facts(device):
    return {"model": device.model, "system": device.system, "bits": device.bits, "memory": device.memory.get("MemTotal"),
            "free_disk": device.free_disk, "temperature": device.temperature, "governor": device.governor}  # fmt: skip


def _lines(device, findings):
    memory = f"{device.memory.get('MemTotal', 0) >> 20} MiB of memory"
    yield ", ".join(filter(None, (device.model or "no Pi", device.system, device.bits and f"{device.bits}-bit", memory)))
    for finding in findings:
        yield f"{finding.code} {finding.sentence}"
        if finding.fix:
            yield f"      fix: {finding.fix}"
    wrong = sum(finding.wrong for finding in findings)
    yield f"{wrong} thing{'s' * (wrong != 1)} wrong" if wrong else "nothing is wrong"
