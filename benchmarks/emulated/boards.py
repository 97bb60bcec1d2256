"""The boards, as far as a program can tell them apart."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """A Raspberry Pi; `cpu` is QEMU's name for its core, the rest is what /proc/cpuinfo says of it."""

    name: str
    cpu: str
    part: int
    variant: int
    revision: int
    features: str

    @property
    def cpuinfo(self) -> str:
        """The text of /proc/cpuinfo: four cores."""
        return "".join(
            f"processor\t: {core}\nBogoMIPS\t: 108.00\nFeatures\t: {self.features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: 8\nCPU variant\t: {self.variant:#x}\nCPU part\t: {self.part:#x}\n"
            f"CPU revision\t: {self.revision}\n\n"
            for core in range(4)
        )


OLDER = "fp asimd evtstrm crc32 cpuid"
NEWER = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
BOARDS = {
    "zero2w": Board("Raspberry Pi Zero 2 W", "cortex-a53", 0xD03, 0, 4, OLDER),
    "pi4": Board("Raspberry Pi 4", "cortex-a72", 0xD08, 0, 3, OLDER),
    "pi5": Board("Raspberry Pi 5", "cortex-a76", 0xD0B, 4, 1, NEWER),
}
