"""bench on an emulated Pi: it refuses to time itself, and its card holds work in the place of times."""

import pytest

from edgemask.benchmarks.emulated.counted import HOST, counted_result
from edgemask.benchmarks.latency.card import card
from edgemask.benchmarks.latency.result import check

pytestmark = pytest.mark.pi


def test_a_card_has_no_times(checkout, tmp_path):
    pi = checkout.pi("pi5", "trixie", tmp_path)
    refused = pi.run("edgemask", "bench")
    assert refused.returncode == 2 and "this machine is emulated (this process, by QEMU)" in refused.stderr
    result = counted_result(pi)
    check(result, "the card")
    assert result["device"] == "Raspberry Pi 5, emulated by QEMU" and result["facts"]["cpu"]["value"] == "Cortex-A76"
    assert all(result["facts"][name]["value"] is None for name in HOST)
    assert result["verdict"]["reasons"][0].startswith("emulated") and not result["verdict"]["comparable"]
    assert all(run["latency"] is None and set(run["instructions"]) >= {"trunk", "box", "mask", "glue"} for run in result["runs"])
    assert " ms" not in card(result)
