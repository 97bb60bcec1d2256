"""The camera: seen by the kernel, and by this Python."""

import sys

from edgemask.doctor.finding import Finding

# Codecs, ISPs and the like are V4L2 devices too.
NO_CAMERA = ("bcm2835-codec", "bcm2835-isp", "pispbe", "rpi-hevc", "rpivid", "v3d")
PI_CAMERA = ("unicam", "rp1-cfe")  # up to Pi 4, Pi 5
CMA = 64 << 20  # bytes
ABI = ("size changed", "binary incompatib", "compiled using NumPy", "_ARRAY_API", "multiarray")
APT = "sudo apt install python3-picamera2 --no-install-recommends"


def seen(device):
    if device.is_pi and not _cameras(device):
        yield Finding("EM201", "the kernel sees no camera",
                      "seat the cable, put camera_auto_detect=1 into /boot/firmware/config.txt, sudo reboot")  # fmt: skip


def picamera2(device):
    cameras = _cameras(device)
    only_usb = cameras and not any(name.startswith(PI_CAMERA) for name in cameras)
    if not device.is_pi or only_usb:
        return
    error = _import_error(device, "picamera2")
    if error and not _is_abi(error):
        installed = (device.root / "usr/lib/python3/dist-packages/picamera2").is_dir()
        fix = f"sudo python3 -m venv --system-site-packages {sys.prefix}" if installed and "No module" in error else APT
        yield Finding("EM202", f"Picamera2 cannot be imported by {device.interpreter} ({error})", fix)


def numpy_abi(device):
    error = _import_error(device, "simplejpeg")
    if _is_abi(error):
        yield Finding("EM203", f"numpy is not the one that apt's packages were built against ({error})",
                      f"sudo {device.interpreter} -m pip uninstall -y numpy")  # fmt: skip


def contiguous_memory(device):
    total = device.memory.get("CmaTotal", CMA)
    if device.is_pi and total < CMA:
        yield Finding("EM204", f"only {total >> 20} MiB of contiguous memory (CMA), where the camera's buffers lie",
                      "put dtoverlay=vc4-kms-v3d,cma-128 into /boot/firmware/config.txt, sudo reboot")  # fmt: skip


def _cameras(device):
    return [name for name in device.video_devices if not name.startswith(NO_CAMERA)]


def _import_error(device, module):
    """The last line of what Python says when it cannot import a module; "" when it can."""
    done = device.python(f"import {module}")
    return (done.stderr.strip().splitlines() or [f"signal {-done.returncode}"])[-1] if done.returncode else ""


def _is_abi(error):
    return any(words in error for words in ABI)
