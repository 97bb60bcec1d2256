"""The operating system: 64-bit, clock, disk, memory."""

from edgemask.doctor.finding import Finding

DISK, MEMORY = 500 << 20, 150 << 20  # bytes; a run with video peaks at 140 MiB


def is_a_pi(device):
    if not device.is_pi:
        yield Finding("EM100", "this is no Raspberry Pi: its camera and its firmware were not asked", wrong=False)


def userland(device):
    if device.bits == 32:
        yield Finding("EM101", "this system is 32-bit, and no engine has packages for it",
                      "write Raspberry Pi OS (64-bit) to the card with Raspberry Pi Imager")  # fmt: skip


def clock(device):
    if device.clock_set is False:
        yield Finding("EM102", "the clock has not been set over the network, so the times of records may be wrong",
                      "sudo timedatectl set-ntp true")  # fmt: skip


def disk(device):
    if (free := device.free_disk) < DISK:
        yield Finding("EM103", f"only {free >> 20} MiB of disk are free, and results need room",
                      "sudo apt clean && sudo journalctl --vacuum-size=50M")  # fmt: skip


def memory(device):
    free = device.memory.get("MemAvailable", MEMORY)
    if free < MEMORY:
        yield Finding("EM104", f"only {free >> 20} MiB of memory are available, and a run wants {MEMORY >> 20}",
                      "sudo systemctl set-default multi-user.target && sudo reboot   # no desktop")  # fmt: skip
