"""Records as JSON lines to whoever connects."""

import contextlib
import errno
import logging
import os
import socket
import stat

from edgemask.errors import OptionError, OutputError
from edgemask.record import record_line
from edgemask.sinks.sink import Sink

log = logging.getLogger(__name__)

PREFIXES = ("unix:", "tcp:")


class JsonServer(Sink):
    """Listens at `unix:PATH` or `tcp:HOST:PORT`; every reader gets the records from when it connects on.

    A reader that lets more than `BACKLOG` bytes pile up is dropped, so that it holds nobody up; nobody is
    asked for a password. Raises OptionError for an address that is none, OutputError where it cannot listen.
    """

    BACKLOG = 1 << 20

    def __init__(self, address: str):
        super().__init__()
        self.address, self.listener, self.readers = address, None, {}
        self.kind, _, self.place = address.partition(":")
        host, _, port = self.place.rpartition(":")
        if self.kind == "tcp" and not (host and port.isdecimal() and int(port) < 65_536):
            raise OptionError(f"{address} is not tcp:HOST:PORT, for example tcp:127.0.0.1:7000")
        if not self.place:
            raise OptionError(f"{address} is not unix:PATH, for example unix:/run/edgemask.sock")
        self.host, self.port = host.strip("[]"), port

    def __str__(self):
        return self.address

    def __enter__(self) -> "JsonServer":
        try:
            self.listener = self._listen()
        except OSError as error:
            raise OutputError(f"{self} cannot listen: {error.strerror or error}") from error
        self.listener.setblocking(False)
        return self

    def _listen(self):
        if self.kind == "tcp":
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            return socket.create_server((self.host, int(self.port)), family=family)
        _remove_abandoned(self.place)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.place)
        listener.listen()
        return listener

    def __exit__(self, *_):
        for reader in list(self.readers):
            self._send(reader)
            self._drop(reader)
        if self.listener is not None:
            self.listener.close()
            self.listener = None
            if self.kind == "unix":
                with contextlib.suppress(OSError):
                    os.unlink(self.place)

    def write(self, frame, detections):
        """Send the frame's record to all readers; never waits."""
        with contextlib.suppress(BlockingIOError):
            while True:
                reader, _ = self.listener.accept()
                reader.setblocking(False)
                self.readers[reader] = bytearray()
        line = record_line(frame, detections) if self.readers else b""
        for reader, waiting in list(self.readers.items()):
            waiting += line
            self._send(reader)
            if len(waiting) > self.BACKLOG:
                log.warning("a reader of %s stalled and was dropped", self)
                self._drop(reader)

    def _send(self, reader):
        waiting = self.readers[reader]
        try:
            while waiting:
                del waiting[: reader.send(waiting)]
        except BlockingIOError:
            pass
        except OSError:  # it left
            self._drop(reader)

    def _drop(self, reader):
        if self.readers.pop(reader, None) is not None:
            reader.close()


def _remove_abandoned(path):
    """Remove the socket that a killed process left, and no other."""
    if not (os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode)):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
