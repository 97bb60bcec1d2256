"""Raspberry Pi cameras through Picamera2 and libcamera.

The ISP resizes: its small stream (`lores`) is the model's input but for the padding, its `main` stream is the
picture that people see. One finished frame waits at most, and no frame is held while a network runs.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from importlib.util import find_spec

from edgemask.cameras.camera import Camera
from edgemask.cameras.frame import Frame
from edgemask.cameras.yuv import rgb_from_yuv
from edgemask.errors import EdgemaskError, MissingLibrary, OptionError, SourceError
from edgemask.letterbox import content_size

MAIN_WIDTH = 640


class PiCamera(Camera):
    """Camera number `index` of a Raspberry Pi, with its sensor's whole field of view.

    input_size: the model's (width, height), for `Frame.content`; hflip and vflip mirror in the ISP; focus:
    "continuous" (None: where there is autofocus) or dioptres. Raises MissingLibrary, SourceError, OptionError.
    """

    live, fps = True, 30.0

    def __init__(self, index: int = 0, input_size=None, hflip: bool = False, vflip: bool = False, focus=None):
        Picamera2, self.libcamera = _libraries()
        self.source = f"picamera2:{index}"
        self.device = None
        try:
            self.device = Picamera2(index)
            self._start(input_size, hflip, vflip, focus)
        except Exception as error:  # libcamera's own are RuntimeError, Picamera2's are of many kinds
            self.close()
            if isinstance(error, EdgemaskError):
                raise
            while error.__cause__:  # which says more than "__init__ sequence did not complete"
                error = error.__cause__
            raise SourceError(f"{self.source} cannot be opened ({error}): is it connected, and not in use elsewhere?") from error

    def _start(self, input_size, hflip, vflip, focus):
        mode = widest(self.device.sensor_modes)
        main = main_size(mode.get("size", (4, 3)), max(MAIN_WIDTH, input_size[0] if input_size else 0))
        lores = {"size": content_size(main, input_size), "format": "YUV420"} if input_size else None
        configuration = self.device.create_video_configuration(
            main={"size": main, "format": "YUV420"}, lores=lores, raw=None, display=None, encode=None,
            buffer_count=4, queue=True, transform=self.libcamera.Transform(hflip=hflip, vflip=vflip),
            # The matrix OpenCV turns back; from 1280×720 the default would be Rec. 709.
            colour_space=self.libcamera.ColorSpace.Smpte170m(),
            sensor={"output_size": mode["size"], "bit_depth": mode["bit_depth"]} if mode else None,
            controls=focus_controls(self.libcamera.controls.AfModeEnum, self.device.camera_controls, focus),
        )  # fmt: skip
        self.device.configure(configuration)
        given = self.device.camera_configuration()
        self.streams = {name: given[name] for name in ("main", "lores") if given[name]}
        # An odd size, or one that this pipeline does not make: the model then resizes for itself.
        if "lores" in self.streams and given["lores"]["size"] != content_size(given["main"]["size"], input_size):
            del self.streams["lores"]
        self.device.start()

    def __iter__(self) -> Iterator[Frame]:
        while self.device is not None:
            buffers, number, stamp = self._capture()
            pictures = {
                name: rgb_from_yuv(buffers[name], it["format"], it["size"], it["stride"])
                for name, it in self.streams.items()
            }
            yield self._frame(pictures["main"], number, stamp, pictures.get("lores"))

    def _capture(self):
        """Copies of the streams' buffers, the frame's number, and its stamp; the buffers are the sensor's again."""
        try:
            with self.device.captured_request(wait=self.STALL) as request:
                number = next(iter(request.request.buffers.values())).metadata.sequence
                stamp = on_monotonic_clock(request.get_metadata()["SensorTimestamp"])
                return {name: request.make_buffer(name) for name in self.streams}, number, stamp
        except TimeoutError as error:
            raise SourceError(f"{self.source} gave no frame for {self.STALL:g} s: is its cable seated?") from error
        except Exception as error:  # whatever Picamera2 trips over when its camera has vanished
            raise SourceError(f"{self.source} is gone ({type(error).__name__}: {error})") from error

    def close(self):
        device, self.device = self.device, None
        if device is not None:
            with contextlib.suppress(Exception):  # a camera that is gone cannot be closed well
                device.cancel_all_and_flush()  # a capture that timed out would wait for its frame for ever
                device.close()


def widest(modes: list[dict]) -> dict:
    """The sensor mode with the largest crop, of those the one with the fewest pixels to read; {} where none tells its crop."""

    def area(size):
        return size[0] * size[1]

    telling = [mode for mode in modes if "crop_limits" in mode]
    return max(telling, key=lambda mode: (area(mode["crop_limits"][2:]), -area(mode["size"])), default={})


def focus_controls(modes, controls, focus) -> dict:
    """Picamera2's controls for a focus; modes: libcamera's AfModeEnum, controls: what the camera has. Raises OptionError."""
    if "AfMode" not in controls:
        if focus is not None:
            raise OptionError("this camera's focus is fixed: leave the option focus out")
        return {}
    return {"AfMode": modes.Continuous} if focus in (None, "continuous") else {"AfMode": modes.Manual, "LensPosition": focus}


def main_size(sensor_size: tuple[int, int], width: int) -> tuple[int, int]:
    """(width, height) of the main stream in the sensor's aspect; the height is a multiple of 4, so that half of it is even."""
    return width, round(width * sensor_size[1] / sensor_size[0] / 4) * 4


def on_monotonic_clock(stamp: int) -> int:
    """A sensor's stamp in ns on `time.monotonic_ns`'s clock.

    It counts from boot with the time asleep (CLOCK_BOOTTIME) or without (CLOCK_MONOTONIC), depending on the
    driver: whichever reads nearer to it now is the one.
    """
    now, boot = time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return stamp if abs(now - stamp) <= abs(boot - stamp) else stamp - (boot - now)


def check_libraries():
    """Raise MissingLibrary where this Python does not find Picamera2 and libcamera; imports neither."""
    for name in ("libcamera", "picamera2"):
        if not find_spec(name):
            raise _missing(name)


def _libraries():
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "ERROR")  # else it tells of every stream it configures
    logging.getLogger("picamera2.picamera2").setLevel(logging.CRITICAL)  # its errors also come as exceptions
    try:
        import libcamera
        from picamera2 import Picamera2
    except ImportError as error:
        raise _missing(error.name) from error
    return Picamera2, libcamera


def _missing(name):
    return MissingLibrary(
        f"Pi cameras need {name}: sudo apt install python3-picamera2 --no-install-recommends, "
        "and a virtual environment made with --system-site-packages"
    )
