"""The board: power, heat, clock speed, as the firmware and the kernel tell."""

from edgemask.doctor.finding import Finding

UNDER_VOLTAGE = 0x1
SLOWED = 0x2 | 0x4 | 0x8  # frequency capped, throttled, soft temperature limit
SINCE_START = 16  # bits further up: it has happened


def voltage(device):
    if when := _when(device, UNDER_VOLTAGE):
        yield Finding("EM401", f"the voltage {when} too low",
                      "use the Raspberry Pi's own power supply and a short cable, sudo reboot")  # fmt: skip


def throttling(device):
    if when := _when(device, SLOWED):
        at = "" if device.temperature is None else f" ({device.temperature:.0f} °C now)"
        yield Finding("EM402", f"the CPU {when} slowed down by heat or low voltage{at}",
                      "add a heat sink or a fan, or look less often: edgemask run … --fps 5")  # fmt: skip


def governor(device):
    if device.governor == "powersave":
        yield Finding("EM403", "the governor powersave keeps the CPU at its lowest frequency",
                      "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")  # fmt: skip


def _when(device, bits):
    throttled = device.throttled or 0
    if throttled & bits:
        return "is"
    return "has been" if throttled >> SINCE_START & bits else ""
