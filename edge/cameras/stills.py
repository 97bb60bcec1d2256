"""Picture files as a camera."""

import logging
from collections.abc import Iterator
from pathlib import Path

from edgemask import pictures
from edgemask.cameras.camera import Camera
from edgemask.cameras.frame import Frame
from edgemask.errors import SourceError

log = logging.getLogger(__name__)


class Stills(Camera):
    """Pictures one after the other; with `skip`, one that cannot be read is said and passed over."""

    def __init__(self, paths: list[Path], skip: bool = False):
        self.paths, self.skip = paths, skip

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        for number, path in enumerate(self.paths):
            try:
                rgb = pictures.read(path)
            except SourceError as error:
                if not self.skip:
                    raise
                self.skipped += 1
                log.warning("skipped: %s", error)
                continue
            yield Frame(rgb, path.name, number)
