"""Which Raspberry Pi OS an image holds."""

import re
from dataclasses import dataclass
from pathlib import Path

from edgemask.errors import MissingLibrary, OptionError
from edgemask.flash.fat import Fat


@dataclass(frozen=True)
class System:
    """What decides how an image is customised.

    release: Debian's name for it; python: such as "3.13"; cloud_init: whether it takes `user-data` (else
    `firstrun.sh`); picamera2: whether Picamera2 is in it, as in the desktop image.
    """

    release: str
    python: str
    cloud_init: bool
    picamera2: bool

    def __str__(self):
        way = "cloud-init" if self.cloud_init else "firstrun.sh"
        return f"{self.release}, Python {self.python}, {way}, {'with' if self.picamera2 else 'without'} Picamera2"


# Since November 2025; Imager need not have the image here.
CURRENT = System("trixie", "3.13", cloud_init=True, picamera2=False)


def system(image: Path, boot: int, root: int, name: Path) -> System:
    """Look into an image whose partitions begin at these bytes; name: the download's.

    Raises MissingLibrary, and OptionError for anything but a 64-bit Raspberry Pi OS.
    """
    try:
        from ext2py import ExtError, ExtFS
    except ImportError as error:
        raise MissingLibrary("flash needs ext2py: pip install 'edgemask[flash]'") from error
    try:
        with ExtFS(image, root) as files:
            if not files.exists("/usr/lib/aarch64-linux-gnu"):
                raise OptionError(f"{name} is a 32-bit system, and no engine has packages for it: take the 64-bit image")
            release = re.search(r"^VERSION_CODENAME=(\w+)", files.read_file("/etc/os-release").decode(), re.MULTILINE)[1]
            python = re.search(r"python(3\.\d+)", files.readlink("/usr/bin/python3"))[1]
            picamera2 = files.exists("/usr/lib/python3/dist-packages/picamera2")
    except (ExtError, OSError, TypeError) as error:
        raise OptionError(f"{name} holds no Raspberry Pi OS that can be read: {error}") from error
    with Fat(image, boot) as files:
        if not files.exists("cmdline.txt"):
            raise OptionError(f"{name} has no cmdline.txt on its boot partition: give the image of Raspberry Pi OS")
        return System(release, python, files.exists("user-data"), picamera2)
