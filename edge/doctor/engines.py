"""The engines, each tried in a process of its own: an illegal instruction ends only that."""

import signal

from edgemask.doctor.finding import Finding
from edgemask.engines import RUNTIMES

INSTALL = {
    "ai_edge_litert": "pip install --upgrade ai-edge-litert",
    "onnxruntime": "pip install --upgrade 'onnxruntime>=1.22'",
    "tflite_runtime": "pip install 'numpy<2'",
}
MISSING = 3
TRY = f"""
import importlib.util, sys
if not importlib.util.find_spec({{package!r}}):
    sys.exit({MISSING})
import {{module}}
"""
COUNT = """
import edgemask
print(*edgemask.load(engine="tflite", threads=1).engines["trunk"].delegated()[:2])
"""


def imports(device):
    found = False
    for _, package in RUNTIMES:
        module = package if package == "onnxruntime" else f"{package}.interpreter"
        done = device.python(TRY.format(package=package, module=module))
        if done.returncode == MISSING:
            continue
        found = True
        if done.returncode < 0:
            how = signal.Signals(-done.returncode).name
            yield Finding("EM302", f"{package} dies when it is imported ({how}): it was built for another CPU",
                          INSTALL[package])  # fmt: skip
        elif done.returncode:
            yield Finding("EM303", f"{package} cannot be imported ({_last_line(done)})", INSTALL[package])
    if not found:
        yield Finding("EM301", "no engine is installed", "pip install ai-edge-litert")


def xnnpack(device):
    done = device.python(COUNT)
    if done.returncode:
        return  # no such engine, or one that `imports` told of
    taken, total = map(int, done.stdout.split())
    if taken < total:
        yield Finding("EM304", f"LiteRT runs {total - taken} of {total} operators without XNNPACK, many times slower",
                      INSTALL["ai_edge_litert"])  # fmt: skip


def dot_product(device):
    flags = device.cpu_flags
    if "asimd" in flags and "asimddp" not in flags:
        sentence = "this CPU has no dot product for int8 (a Pi 5 has): the same bits, with more instructions"
        yield Finding("EM305", sentence, wrong=False)


def _last_line(done):
    return (done.stderr.strip().splitlines() or ["no word"])[-1]
