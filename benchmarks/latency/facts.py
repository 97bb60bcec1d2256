"""What machine this is, fact by fact: each with its source, or null and the reason why it cannot be read."""

import os
import platform
import re
import sys
from importlib import metadata
from importlib.util import find_spec

from edgemask.device import Device

PACKAGES = ("edgemask", "ai-edge-litert", "onnxruntime", "tflite-runtime", "numpy", "opencv-python-headless", "picamera2")
CORES = {"0xd03": "Cortex-A53", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}
# ELF's e_machine by the name that the kernel gives the same processor.
ELF = {"x86_64": 62, "aarch64": 183, "armv7l": 40, "riscv64": 243}
CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"


def facts(device: Device) -> dict[str, dict]:
    """{name: {"value", "source"}}, or {"value": None, "source", "reason"} for what this machine does not tell."""
    return {name: _fact(source, read(device)) for name, (source, read) in FACTS.items()} | _packages()


def _fact(source, value):
    if value in (None, "", []):
        reason = "no such command here, or it failed" if source.startswith("vcgencmd") else "no such entry here"
        return {"value": None, "source": source, "reason": reason}
    return {"value": value, "source": source}


def _packages():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = {"value": metadata.version(name), "source": "importlib.metadata"}
        except metadata.PackageNotFoundError:
            found[name] = {"value": None, "source": "importlib.metadata", "reason": "not installed here"}
    return found


def cpuinfo(device: Device, key: str) -> str:
    """The first core's entry of /proc/cpuinfo."""
    found = re.search(rf"^{key}\s*: (.*)$", device.text("proc/cpuinfo"), re.MULTILINE | re.IGNORECASE)
    return found[1].strip() if found else ""


def _cpu(device):
    part = cpuinfo(device, "CPU part")
    return CORES.get(part, part) or cpuinfo(device, "model name")


def _megahertz(name):
    return lambda device: int(text) // 1000 if (text := device.text(f"{CPUFREQ}/{name}")).isdecimal() else None


def emulated(device: Device) -> str | None:
    """What emulates this machine; None where nothing is known to."""
    compatible = device.text("proc/device-tree/compatible")
    if "dummy-virt" in compatible or device.model.startswith("QEMU"):
        return "a whole machine, by QEMU"
    # QEMU makes /proc/self/exe name the guest's program, but not the same link of a thread.
    try:
        with (device.root / f"proc/self/task/{os.getpid()}/exe").open("rb") as program:
            machine = int.from_bytes(program.read(20)[18:], "little")
    except OSError:
        return None
    return None if machine == ELF.get(platform.machine(), machine) else "this process, by QEMU"


def virtual(device: Device) -> str | None:
    """That this is a virtual machine, whose host has other work nobody here can see."""
    return "a virtual machine" if "hypervisor" in device.cpu_flags else None


def _system_memory(name):
    return lambda device: None if (size := device.memory.get(name)) is None else size >> 20


def _libcamera(device):
    if not find_spec("libcamera"):
        return ""
    return device.python("import libcamera; print(libcamera.CameraManager.singleton().version)").stdout.strip()


# How the processors' int8 kernels are chosen.
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimd", "asimddp", "i8mm")
FACTS = {
    "model": ("/proc/device-tree/model, /sys/class/dmi/id/product_name",
              lambda device: device.model or device.text("sys/class/dmi/id/product_name")),
    "soc": ("/proc/device-tree/compatible", lambda device: device.text("proc/device-tree/compatible").rpartition("\0")[2]),
    "cpu": ("/proc/cpuinfo", _cpu),
    "cores": ("os.cpu_count", lambda device: os.cpu_count()),
    "int8 flags": ("/proc/cpuinfo", lambda device: [flag for flag in FLAGS if flag in device.cpu_flags]),
    "emulated": ("/proc/device-tree/compatible, ELF of /proc/self/task/PID/exe", emulated),
    "virtual": ("flag hypervisor of /proc/cpuinfo", virtual),
    "memory_mib": ("/proc/meminfo", _system_memory("MemTotal")),
    "swap_mib": ("/proc/meminfo", _system_memory("SwapTotal")),
    "cma_mib": ("/proc/meminfo", _system_memory("CmaTotal")),
    "system": ("/etc/os-release", lambda device: device.system),
    "image": ("/etc/rpi-issue", lambda device: device.text("etc/rpi-issue").partition("\n")[0]),
    "kernel": ("uname", lambda device: f"{platform.system()} {platform.release()} {platform.machine()}"),
    "bits": ("ELF of /proc/self/exe", lambda device: device.bits),
    "firmware": ("vcgencmd version", lambda device: device.run("vcgencmd", "version").partition("\n")[0]),
    "governor": (f"/{CPUFREQ}/scaling_governor", lambda device: device.governor),
    "lowest_mhz": (f"/{CPUFREQ}/cpuinfo_min_freq", _megahertz("cpuinfo_min_freq")),
    "highest_mhz": (f"/{CPUFREQ}/cpuinfo_max_freq", _megahertz("cpuinfo_max_freq")),
    "python": ("sys.version_info", lambda device: ".".join(map(str, sys.version_info[:3]))),
    "libcamera": ("libcamera.CameraManager", _libcamera),
}  # fmt: skip
