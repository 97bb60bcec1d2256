"""Cameras: anything that gives frames, behind `for frame in camera`.

>>> from edgemask.cameras import open_camera
>>> for frame in open_camera("clip.mp4"):
...     print(frame.number, model(frame.rgb))
"""

from pathlib import Path

from edgemask.cameras.frame import Frame
from edgemask.errors import SourceError

__all__ = ["Frame", "open_camera"]


def open_camera(source: str):
    """The camera for a SOURCE: a picture, a folder of pictures, a video file, or an index such as 0.

    A camera iterates over `Frame`s once; `len(camera)` is known for pictures, estimated for a
    video and 0 for a live camera; `camera.skipped` counts what could not be read. Raises SourceError.
    """
    from edgemask import pictures
    from edgemask.cameras.stills import Stills
    from edgemask.cameras.video import Video

    source = str(source)
    if source.isdecimal():
        return Video(int(source))
    path = Path(source)
    if path.is_dir():
        return Stills(pictures.listing(path), skip=True)
    if not path.exists():
        raise SourceError(f"{source} does not exist: SOURCE is a picture, a folder, a video or a camera index")
    if path.suffix.lower() in pictures.SUFFIXES:
        return Stills([path])
    return Video(path)
