"""HTTP and WebSocket for the web page, in a thread of its own."""

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from edgemask.web.access import Access

log = logging.getLogger(__name__)
# Whoever knocks without speaking HTTP is nobody's trouble.
_knocking = logging.getLogger(f"{__name__}.connections")
_knocking.setLevel(logging.CRITICAL)

HEADERS = {
    "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                               "connect-src 'self'; img-src data:",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Picture:
    """What every viewer gets, and its frame's stamp."""

    message: bytes
    stamp: int | None


class Server:
    """Answers requests, and shows each viewer the newest picture as soon as they have seen the one before.

    answer: (path, viewers) → (status, content type, text) of an ordinary page, or None where there is none; closed
    ones need `access`, `open_paths` do not. A viewer at /live gets text messages, `{"shown_ms": …}`, the age of the last
    picture when it was on their screen, and binary ones, the pictures, and answers each picture with any message;
    who leaves a picture unanswered for `STALL` seconds is dropped. Nothing ever queues up: a slow viewer sees fewer.
    """

    STALL = 5.0

    def __init__(self, access: Access, answer: Callable, open_paths=("/healthz",)):
        self.access, self.answer, self.open_paths = access, answer, open_paths
        self.viewers, self.port, self.error = 0, None, None
        self.newest, self.fresh, self.ending = None, asyncio.Event(), asyncio.Event()
        self.loop, self.ready = asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self):
        """Listen; raises OSError when that cannot be."""
        self.thread.start()
        self.ready.wait()
        if self.error:
            raise self.error

    def stop(self):
        """Close all connections."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.ending.set)
            self.thread.join()

    def show(self, message: bytes, stamp: int | None):
        """Send a new picture to all viewers; never waits. stamp: `Frame.stamp`."""
        self.loop.call_soon_threadsafe(self._publish, Picture(message, stamp))

    def _publish(self, picture):
        self.newest, fresh, self.fresh = picture, self.fresh, asyncio.Event()
        fresh.set()

    def _run(self):
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            try:
                runner.run(self._serve())
            except Exception as error:
                self.error = error
                self.ready.set()

    async def _serve(self):
        options = {"compression": None, "max_size": 1024, "close_timeout": 1, "server_header": None, "logger": _knocking}
        async with serve(self._view, self.access.host, self.access.port, process_request=self._respond, **options) as server:
            self.port = min(server.sockets, key=lambda one: one.family).getsockname()[1]  # IPv4's, where port 0 gave two
            self.ready.set()
            await self.ending.wait()
            self.fresh.set()  # those who wait for a picture leave

    def _respond(self, connection, request):
        path = request.path.partition("?")[0]
        if path not in self.open_paths and not self.access.allows(request.path, request.headers):
            return _response(connection, 403, "text/plain", "Open the full link that edgemask printed.\n")
        if path == "/live":
            return None
        return _response(connection, *(self.answer(path, self.viewers) or (404, "text/plain", "There is no such page.\n")))

    async def _view(self, connection):
        self.viewers += 1
        seen = self.newest
        try:
            while connection.state is State.OPEN and not self.ending.is_set():
                if self.newest is seen:
                    with contextlib.suppress(TimeoutError):  # while no frames come, nothing else says that a viewer left
                        await asyncio.wait_for(self.fresh.wait(), 1.0)
                    continue
                seen = self.newest
                async with asyncio.timeout(self.STALL):
                    await connection.send(seen.message)
                    await connection.recv()
                    if seen.stamp is not None:
                        await connection.send(json.dumps({"shown_ms": round((time.monotonic_ns() - seen.stamp) / 1e6)}))
        except ConnectionClosed:
            pass
        except TimeoutError:
            connection.transport.abort()
            log.warning("a viewer of the web page stalled and was dropped")
        finally:
            self.viewers -= 1


def _response(connection, status, kind, text):
    response = connection.respond(status, text)
    del response.headers["Content-Type"]
    for name, value in {"Content-Type": f"{kind}; charset=utf-8", **HEADERS}.items():
        response.headers[name] = value
    return response
