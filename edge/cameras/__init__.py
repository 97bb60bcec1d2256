"""Cameras: anything that gives frames, behind `for frame in camera`.

>>> from edgemask.cameras import open_camera
>>> for frame in open_camera("clip.mp4"):
...     print(frame.number, model(frame.rgb))
"""

import os
import stat
from pathlib import Path

from edgemask.cameras.frame import Frame
from edgemask.errors import SourceError

__all__ = ["Frame", "open_camera"]


def open_camera(source: str):
    """The camera for a SOURCE: a picture, a folder of pictures, a video file, or an index such as 0.

    A camera iterates over `Frame`s once; `len(camera)` is known for pictures, estimated for a
    video and 0 for a live camera; `camera.skipped` counts what could not be read so far. Raises SourceError.
    """
    from edgemask import pictures
    from edgemask.cameras.stills import Stills
    from edgemask.cameras.video import Video

    path, what = Path(source), "SOURCE is a picture, a folder, a video or a camera index"
    try:
        mode = os.stat(source).st_mode
        str(source).encode()
    except UnicodeEncodeError as error:
        raise SourceError(f"{source!r} is not a name in UTF-8, which OpenCV needs") from error
    except OSError as error:
        if str(source).isdecimal() and int(source) < 256:
            return Video(int(source))
        raise SourceError(f"{str(source)!r} cannot be opened ({error.strerror}): {what}") from error
    if stat.S_ISDIR(mode):
        return Stills(pictures.listing(path), skip=True)
    if not stat.S_ISREG(mode):
        raise SourceError(f"{source} is neither a file nor a folder: {what}")
    return Stills([path]) if path.suffix.lower() in pictures.SUFFIXES else Video(path)
