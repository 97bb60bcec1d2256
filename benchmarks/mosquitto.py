"""A real mosquitto for tests and the soak."""

import json
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from edgemask.benchmarks.waiting import until
from edgemask.errors import MissingLibrary
from edgemask.sinks.connection import paho_client


class Mosquitto:
    """A broker on a free port of 127.0.0.1 that can be stopped and started again; a context manager.

    settings: more lines for its configuration. Retained messages live as long as it runs.
    """

    def __init__(self, *settings: str):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.settings, self.process, self.folder = settings, None, tempfile.TemporaryDirectory()

    @staticmethod
    def path() -> str | None:
        """Where the program is, None where it is not installed."""
        return shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self):
        """Run it; back when it listens. Raises MissingLibrary."""
        if not self.path():
            raise MissingLibrary("this needs mosquitto: apt install mosquitto")
        config, listener = Path(self.folder.name, "conf"), f"listener {self.port} 127.0.0.1"
        # Started by root it would otherwise become a user who may not read the tests' certificates.
        config.write_text("\n".join([listener, "user root", *(self.settings or ["allow_anonymous true"]), ""]))
        self.process = subprocess.Popen([self.path(), "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not until(self._listens, 10):
            raise OSError(f"{self.path()} does not listen on port {self.port}")

    def stop(self):
        """End it, as a restart would."""
        self.process.terminate()
        self.process.wait()

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()


class Listener:
    """A client that keeps every message; a context manager. topics: what it subscribes to."""

    def __init__(self, port: int, *topics: str, configure=lambda client: None):
        paho = paho_client()
        self.messages, self.lock, self.subscribed = [], threading.Lock(), threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        configure(self.client)
        self.client.on_connect = lambda client, *_: [client.subscribe(topic, 1) for topic in topics or ["#"]]
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = lambda client, data, message: self._keep(message)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.subscribed.wait(10)

    def _keep(self, message):
        with self.lock:
            self.messages.append((message.topic, message.payload, message.retain))

    def on(self, kind: str) -> list[bytes]:
        """The payloads so far on topics that end so."""
        with self.lock:
            return [payload for topic, payload, _ in self.messages if topic.endswith(f"/{kind}")]

    def last(self, kind: str):
        """The last of them, out of JSON; None before the first."""
        return json.loads(self.on(kind)[-1]) if self.on(kind) else None

    def publish(self, topic: str, payload: str):
        """Say something."""
        self.client.publish(topic, payload)

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()
