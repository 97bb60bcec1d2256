"""A connection to an MQTT broker that may go away."""

import logging
import sys
import threading
from collections import deque

from edgemask.errors import MissingLibrary
from edgemask.sinks.broker import Broker

log = logging.getLogger(__name__)


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
        self.lock, self.waiting, self.broken = threading.RLock(), deque(), False
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
        with self.lock:
            while self.waiting and _gone(self.waiting[0][0]):
                self.waiting.popleft()
            return self.client.is_connected() and sum(size for _, size in self.waiting) < self.BACKLOG

    def publish(self, topic: str, payload: str | bytes, retain: bool = False) -> bool:
        """Send it now or not at all; whether it went. From any thread."""
        with self.lock:
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


def _gone(message) -> bool:
    try:
        return message.is_published()
    except RuntimeError:  # lost with its connection
        return True
