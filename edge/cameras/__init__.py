"""Cameras: anything that gives frames, behind `for frame in camera`.

>>> from edgemask.cameras import open_camera
>>> for frame in open_camera("clip.mp4"):
...     print(frame.number, model(frame.rgb))
"""

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgemask.cameras.camera import Camera
from edgemask.cameras.fake import FakeCamera
from edgemask.cameras.frame import Frame
from edgemask.errors import OptionError, SourceError

__all__ = ["Camera", "FakeCamera", "Frame", "SOURCES", "Source", "find_source", "open_camera"]

SOURCES = "a picture, a folder, a video, picamera2[:N], a camera index, /dev/videoN or rtsp://…"


@dataclass(frozen=True)
class Source:
    """A SOURCE that makes sense, before a device or the network is touched.

    open: makes its camera, given the model's (width, height) or nothing; live: see `Camera`; path: its file or folder,
    None for a camera; stills: pictures that are not one after the other.
    """

    open: Callable[..., Camera]
    live: bool
    path: Path | None = None
    stills: bool = False


def open_camera(source, *, input_size=None, hflip=False, vflip=False, rotate=0, focus=None, paced=False) -> Camera:
    """The camera for a SOURCE: picamera2[:N], an index such as 0, /dev/videoN, a stream's address, else a file or folder.

    input_size: the model's (width, height), which lets a Pi's ISP make `Frame.content`; hflip, vflip and rotate
    (0 or 180) are for cameras, focus ("continuous" or dioptres) for picamera2, paced for video files.
    A file that is called like a camera is ./0. Raises SourceError, OptionError or MissingLibrary.
    """
    return find_source(source, hflip=hflip, vflip=vflip, rotate=rotate, focus=focus, paced=paced).open(input_size)


def find_source(source, *, hflip=False, vflip=False, rotate=0, focus=None, paced=False) -> Source:
    """What `open_camera` would open; raises what it would, but for what only an open device or stream can tell."""
    source = str(source)
    flips = {"hflip": hflip, "vflip": vflip, "rotate": rotate}
    if rotate not in (0, 180):
        raise OptionError(f"rotate must be 0 or 180, not {rotate}")
    mirrored = hflip != (rotate == 180), vflip != (rotate == 180)
    if found := re.fullmatch(r"picamera2(?::(\d{1,3}))?", source):
        _refuse(source, paced=paced)
        from edgemask.cameras.picamera2 import PiCamera, check_libraries

        check_libraries()
        return Source(lambda input_size=None: PiCamera(int(found[1] or 0), input_size, *mirrored, focus), live=True)
    if re.fullmatch(r"\d{1,3}|/dev/(video|v4l/).+|(rtsp|rtsps|http|https)://.+", source):
        _refuse(source, focus=focus is not None, paced=paced)
        from edgemask.cameras.stream import Stream

        return Source(lambda _=None: Stream(source, *mirrored), live=True)
    _refuse(source, focus=focus is not None, **flips)
    return _find_file(source, paced)


_FOR = {"hflip": "cameras", "vflip": "cameras", "rotate": "cameras", "focus": "picamera2", "paced": "video files"}


def _refuse(source, **options):
    for name, value in options.items():
        if value:
            raise OptionError(f"{name} makes no sense for {source!r}: it is for {_FOR[name]}")


def _find_file(source, paced):
    from edgemask import pictures
    from edgemask.cameras.stills import Stills
    from edgemask.cameras.video import Video

    path = Path(source)
    try:
        mode = os.stat(source).st_mode
        source.encode()
    except UnicodeEncodeError as error:
        raise SourceError(f"{source!r} is not a name in UTF-8, which OpenCV needs") from error
    except OSError as error:
        raise SourceError(f"{source!r} cannot be opened ({error.strerror}): SOURCE is {SOURCES}") from error
    folder, still = stat.S_ISDIR(mode), path.suffix.lower() in pictures.SUFFIXES
    if not folder and not stat.S_ISREG(mode):
        raise SourceError(f"{source} is neither a file nor a folder: SOURCE is {SOURCES}")
    if folder or still:
        _refuse(source, paced=paced)
        paths = pictures.listing(path) if folder else [path]
        return Source(lambda _=None: Stills(paths, skip=folder), live=False, path=path, stills=True)
    Video(path).close()  # it is one
    return Source(lambda _=None: Video(path, paced), live=paced, path=path)
