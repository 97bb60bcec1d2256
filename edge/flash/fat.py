"""The boot partition of an image, read and written without mounting anything."""

import warnings
from pathlib import Path

from edgemask.errors import MissingLibrary, OptionError, OutputError


class Fat:
    """The FAT file system that begins `offset` bytes into an image file; a context manager.

    >>> with Fat("card.img", 4 << 20) as boot:
    ...     boot.write("edgemask/edgemask.toml", b'source = "picamera2"')

    Raises MissingLibrary, OptionError where there is no FAT, OutputError where it is full.
    """

    def __init__(self, image: Path, offset: int):
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="pkg_resources", category=UserWarning)
                from pyfatfs import PyFATException
                from pyfatfs.PyFatFS import PyFatFS
        except ImportError as error:
            raise MissingLibrary("flash needs pyfatfs: pip install 'edgemask[flash]'") from error
        self.image, self.offset = image, offset
        try:
            self.files = PyFatFS(str(image), offset=offset)
        except (PyFATException, OSError) as error:
            raise OptionError(f"{image} has no readable FAT at byte {offset}: {error}") from error

    def __enter__(self) -> "Fat":
        return self

    def __exit__(self, *_):
        self.files.close()
        self._forget_free_space()

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of this name."""
        return self.files.exists(self._stored(name))

    def read(self, name: str) -> bytes:
        """A file's content."""
        return self.files.readbytes(self._stored(name))

    def write(self, name: str, content: bytes):
        """Write a file, with the folders above it, in place of what was there."""
        from pyfatfs import PyFATException

        folder = name.rpartition("/")[0]
        try:
            if folder:
                self.files.makedirs(folder, recreate=True)
            if self.exists(name):  # pyfatfs 1.1 breaks the chain of clusters of a file that becomes shorter
                self.files.remove(self._stored(name))
            self.files.writebytes(name, content)
        except PyFATException as error:
            raise OutputError(f"{name} does not fit on the image's boot partition: {error}") from error

    def _stored(self, name):
        """The name as it is stored: FAT knows no case, and pyfatfs shows what Linux writes as cmdline.txt as CMDLINE.TXT."""
        path = ""
        for part in name.split("/"):
            there = self.files.listdir(path or "/") if self.files.isdir(path or "/") else ()
            path += "/" + next((one for one in there if one.casefold() == part.casefold()), part)
        return path

    def _forget_free_space(self):
        """pyfatfs 1.1 leaves the count of free clusters as it was: unknown (all ones, FAT32's FSInfo) is better than wrong."""
        with open(self.image, "r+b") as file:
            file.seek(self.offset + 512)
            if file.read(4) == b"RRaA":
                file.seek(self.offset + 512 + 488)
                file.write(b"\xff" * 8)
