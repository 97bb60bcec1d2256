"""What a container lacks of a Pi's camera: DMA memory, a sensor's modes and a sensor's clock.

VIRTUAL_FPS: frames a second (default 30); VIRTUAL_LOG: a file that gets one JSON line for every tick of the sensor's
clock and for every capture; VIRTUAL_SILENT: the tick after which a sensor gives nothing more; VIRTUAL_BROKEN: the
capture that raises what Picamera2 raises when its camera is gone.
"""

import itertools
import json
import mmap
import os
import threading
import time
from collections import deque

import libcamera
from picamera2.allocators.allocator import Allocator, Sync

FPS = float(os.environ.get("VIRTUAL_FPS", "30"))
LOG = open(os.environ.get("VIRTUAL_LOG", os.devnull), "a", buffering=1)
SILENT = int(os.environ.get("VIRTUAL_SILENT", "0"))
BROKEN = int(os.environ.get("VIRTUAL_BROKEN", "0"))


def log(**entry):
    LOG.write(json.dumps({"at": time.monotonic_ns(), **entry}) + "\n")


def install(picamera2):
    """Picamera2 with the virtual hardware in place of the package's own class."""

    captures = itertools.count(1)

    class VirtualPicamera2(picamera2.Picamera2):
        def __init__(self, camera_num=0):
            super().__init__(camera_num, allocator=MemfdAllocator())

        def _open_camera(self):
            super()._open_camera()
            self.camera = Sensor(self.camera)

        def _get_raw_modes(self):  # the virtual pipeline has no raw stream: an IMX219's modes, less the bits
            modes = {(640, 480): (1000, 752, 1280, 960), (1920, 1080): (680, 692, 1920, 1080), (1640, 1232): (0, 0, 3280, 2464)}
            self.sensor_modes_ = [{"size": size, "crop_limits": crop, "bit_depth": 10} for size, crop in modes.items()]
            return [{"format": "SRGGB10", "size": size} for size in modes]

        def capture_request(self, *arguments, **options):
            log(waiting=len(self.completed_requests))
            if next(captures) == BROKEN:
                raise RuntimeError("Camera frontend has timed out")
            return super().capture_request(*arguments, **options)

    picamera2.Picamera2 = VirtualPicamera2
    picamera2.picamera2.DmaAllocator = MemfdAllocator  # close() makes a new one


class Sensor:
    """A libcamera camera that fills one buffer a tick, as a sensor does; the virtual pipeline has no clock of its own."""

    def __init__(self, camera):
        self.camera, self.empty, self.stopping, self.clock = camera, deque(), threading.Event(), None

    def __getattr__(self, name):
        return getattr(self.camera, name)

    def queue_request(self, request):
        self.empty.append(request)

    def start(self, controls):
        self.camera.start(controls)
        self.stopping.clear()
        self.clock = threading.Thread(target=self._tick, daemon=True)
        self.clock.start()

    def stop(self):
        self.stopping.set()
        self.clock.join()
        self.empty.clear()
        self.camera.stop()

    def _tick(self):
        due, tick, buffers = time.monotonic() + 1 / FPS, 0, {}
        while not self.stopping.wait(max(0, due - time.monotonic())):
            due, tick = max(due + 1 / FPS, time.monotonic()), tick + 1
            if SILENT and tick > SILENT:
                continue
            if not self.empty:
                log(tick=tick, buffer=None)
                continue
            request = self.empty.popleft()
            log(tick=tick, buffer=buffers.setdefault(id(next(iter(request.buffers.values()))), len(buffers)))
            self.camera.queue_request(request)


class MemfdSync(Sync):
    def __init__(self, allocator, buffer, write):
        self.allocator, self.buffer = allocator, buffer

    def __enter__(self):
        return self.allocator.mapped[self.buffer]

    def __exit__(self, *_):
        pass


class MemfdAllocator(Allocator):
    """NV12 frame buffers in anonymous files: there is no /dev/dma_heap here."""

    def __init__(self):
        self.sync, self.mapped, self.streams = MemfdSync, {}, {}

    def allocate(self, configuration, _):
        self.mapped, self.streams = {}, {}
        for stream in configuration:
            self.streams[stream.stream] = [self._buffer(stream) for _ in range(stream.buffer_count)]

    def _buffer(self, stream):
        file = os.memfd_create("frame")
        os.ftruncate(file, stream.frame_size)
        luma, planes = stream.stride * stream.size.height, []
        for offset, length in ((0, luma), (luma, stream.frame_size - luma)):
            plane = libcamera.FrameBuffer.Plane()
            plane.fd, plane.offset, plane.length = file, offset, length
            planes.append(plane)
        buffer = libcamera.FrameBuffer(planes)
        self.mapped[buffer] = mmap.mmap(file, stream.frame_size)
        os.close(file)
        return buffer

    def buffers(self, stream):
        return self.streams[stream]
