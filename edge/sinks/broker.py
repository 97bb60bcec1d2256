"""A connection to an MQTT broker that may go away."""

import logging
import os
import re
import ssl
import sys
from argparse import ArgumentTypeError
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edgemask.errors import MissingLibrary, OptionError

log = logging.getLogger(__name__)

PASSWORD = "EDGEMASK_MQTT_PASSWORD"


@dataclass(frozen=True)
class Broker:
    """Where a broker is and how to be let in; as a string only where it is. ca: certificates in place of the system's."""

    host: str
    port: int
    tls: bool = False
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None

    @classmethod
    def parse(cls, url: str) -> "Broker":
        """`mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT]`, the parts percent-encoded; raises ArgumentTypeError, which repeats no password."""
        try:
            parts = urlsplit(url)
            host, tls = parts.hostname or "", parts.scheme == "mqtts"
            port = parts.port or (8883 if tls else 1883)
            host.encode("idna")
        except ValueError:
            host = ""
        if not host or parts.scheme not in ("mqtt", "mqtts") or parts.path.strip("/") or parts.query or parts.fragment:
            raise ArgumentTypeError("that is not mqtt://[USER[:PASSWORD]@]HOST[:PORT], or mqtts:// for TLS")
        user, password = (part and unquote(part) for part in (parts.username, parts.password))
        return cls(host, port, tls, user or None, password or None)

    def let_in(self, password_file: Path | None = None, ca: Path | None = None) -> "Broker":
        """The same with the password from a file or `$EDGEMASK_MQTT_PASSWORD`, and with certificates; raises OptionError."""
        password = self.password or (_secret(password_file) if password_file else os.environ.get(PASSWORD))
        if password and not self.user:
            raise OptionError(f"there is a password for {self}, but no user: give it as mqtt://USER@{self.host}")
        if ca and not self.tls:
            raise OptionError(f"--mqtt-ca is for mqtts://, and {self} is not encrypted")
        trusted = replace(self, password=password, ca=ca)
        trusted.context()
        return trusted

    def context(self) -> ssl.SSLContext | None:
        """How TLS is spoken, None without; raises OptionError for certificates that are none."""
        try:
            return ssl.create_default_context(cafile=self.ca) if self.tls else None
        except ssl.SSLError as error:
            raise OptionError(f"--mqtt-ca {self.ca} holds no certificates in PEM format") from error
        except OSError as error:
            raise OptionError(f"--mqtt-ca {self.ca} cannot be read: {error.strerror}") from error

    def __str__(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' * self.tls}://{host}:{self.port}"


class Connection:
    """A client that connects by itself, again and again, and neither waits nor hoards.

    While it is connected, `online` stands retained on `availability`, and `offline` once it is not, however it ended.
    arrived: called after each connect; heard: topic → what to call with a message's bytes. What breaks and works again
    is said once. Raises MissingLibrary.
    """

    BACKLOG, EVENTS = 1 << 20, 100  # bytes on their way to a slow broker; messages that wait for one that is away
    KEEPALIVE, RETRY = 20, 5  # seconds: until silence is an outage; longest pause between two tries

    def __init__(self, broker: Broker, name: str, availability: str, arrived, heard: dict):
        paho = paho_client()
        self.broker, self.availability, self.arrived, self.heard = broker, availability, arrived, heard
        self.waiting, self.broken = deque(), False
        # A fixed client id: a new connection ends the old one, and its last will comes before our `online`.
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name)
        self.client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            self.client.tls_set_context(broker.context())
        self.client.will_set(availability, "offline", qos=1, retain=True)
        self.client.max_queued_messages_set(self.EVENTS)
        self.client.reconnect_delay_set(1, self.RETRY)
        self.client.connect_timeout = 3.0
        self.client.on_connect, self.client.on_disconnect = self._on_connect, self._on_disconnect
        self.client.on_connect_fail = self._on_connect_fail
        for topic, call in heard.items():
            self.client.message_callback_add(topic, lambda client, data, message, call=call: call(message.payload))

    def open(self):
        """Begin to connect, in a thread of its own."""
        self.client.connect_async(self.broker.host, self.broker.port, keepalive=self.KEEPALIVE)
        self.client.loop_start()

    @property
    def ready(self) -> bool:
        """Whether something may go out: connected, and the broker keeps up."""
        while self.waiting and _gone(self.waiting[0][0]):
            self.waiting.popleft()
        return self.client.is_connected() and sum(size for _, size in self.waiting) < self.BACKLOG

    def publish(self, topic: str, payload: str | bytes, retain: bool = False) -> bool:
        """Send it now or not at all; whether it went."""
        if not self.ready:
            return False
        message = self.client.publish(topic, payload, retain=retain)
        self.waiting.append((message, len(payload)))
        return message.rc == 0

    def deliver(self, topic: str, payload: str):
        """Send it now or when the broker is back, at least once; of those that wait only the first `EVENTS` are kept."""
        self.client.publish(topic, payload, qos=1)

    def close(self):
        """Say `offline` and leave; waits for what is on its way, for some seconds."""
        self.client.publish(self.availability, "offline", retain=True)
        self.client.disconnect()
        self.client.loop_stop()

    def _on_connect(self, client, userdata, flags, reason, properties):
        if reason.is_failure:
            self._broke(f"refuses: {reason}")
            return
        if self.broken:
            log.warning("%s works again", self.broker)
            self.broken = False
        client.publish(self.availability, "online", retain=True)
        for topic in self.heard:
            client.subscribe(topic)
        self.arrived()

    def _on_connect_fail(self, client, userdata):
        error = sys.exception()  # paho calls this while it handles the error, and does not pass it on
        self._broke(f"cannot be reached: {getattr(error, 'strerror', None) or error}")

    def _on_disconnect(self, client, userdata, flags, reason, properties):
        if reason.is_failure:
            self._broke("is gone")

    def _broke(self, how):
        if not self.broken:
            log.warning("%s %s; trying again until it works", self.broker, how)
        self.broken = True


def paho_client():
    """The module paho.mqtt.client of paho-mqtt 2; raises MissingLibrary."""
    try:
        from paho.mqtt import client
    except ImportError as error:
        raise MissingLibrary("--mqtt needs paho-mqtt: pip install 'edgemask[mqtt]'") from error
    if not hasattr(client, "CallbackAPIVersion"):
        raise MissingLibrary("--mqtt needs paho-mqtt 2, and an older one is installed: pip install 'paho-mqtt>=2'")
    return client


def _secret(path):
    try:
        return path.read_text().strip()
    except OSError as error:
        raise OptionError(f"--mqtt-password-file {path} cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise OptionError(f"--mqtt-password-file {path} is not text in UTF-8") from error


def _gone(message) -> bool:
    try:
        return message.is_published()
    except RuntimeError:  # lost with its connection
        return True
