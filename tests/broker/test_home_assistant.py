"""What Home Assistant gets, against its documented MQTT discovery format written down field by field.

From https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload and the pages of the platforms
(sensor.mqtt, binary_sensor.mqtt, camera.mqtt): each field's type, and which ones must be there. Nothing else is let
through, although Home Assistant would: an unknown field is a misspelt one.
"""

import json
import re

import jinja2
import pytest

from edgemask.benchmarks.waiting import until
from edgemask.sinks.home_assistant import discovery

pytestmark = pytest.mark.broker

TOPIC = re.compile(r"[^#+\0]+")
# platform: (required, optional); a value is a type or the set of allowed values.
ENTITY = {"name": str, "unique_id": str, "entity_category": {"config", "diagnostic"}}
STATE = {"value_template": str, "expire_after": int, "force_update": bool}
PLATFORMS = {
    "sensor": ({"unique_id"}, {
        **ENTITY, **STATE, "device_class": {"temperature", "duration", "frequency"}, "unit_of_measurement": str,
        "state_class": {"measurement", "measurement_angle", "total", "total_increasing"}, "suggested_display_precision": int,
    }),
    "binary_sensor": ({"unique_id"}, {
        **ENTITY, **STATE, "device_class": {"occupancy", "presence", "motion", "connectivity"}, "payload_on": str,
        "payload_off": str, "off_delay": int,
    }),
    "camera": ({"unique_id", "topic"}, {**ENTITY, "topic": TOPIC, "image_encoding": {"b64"}}),
}  # fmt: skip
DEVICE = {
    "identifiers": list, "connections": list, "configuration_url": str, "hw_version": str, "manufacturer": str, "model": str,
    "model_id": str, "name": str, "serial_number": str, "suggested_area": str, "sw_version": str, "via_device": str,
}  # fmt: skip
ORIGIN = {"name": str, "sw_version": str, "support_url": str}
ROOT = {
    "device": dict, "origin": dict, "components": dict, "availability_topic": TOPIC, "payload_available": str,
    "payload_not_available": str, "state_topic": TOPIC, "command_topic": TOPIC, "qos": {0, 1, 2}, "encoding": str,
}  # fmt: skip


def check(topic: str, payload: dict):
    """Assert that Home Assistant takes this discovery message."""
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", topic)
    _fields(payload, ROOT, {"device", "origin", "components"})
    _fields(payload["device"], DEVICE, set())
    assert payload["device"].get("identifiers") or payload["device"].get("connections")
    _fields(payload["origin"], ORIGIN, {"name"})
    for component in payload["components"].values():
        required, known = PLATFORMS[component["platform"]]
        _fields({key: value for key, value in component.items() if key != "platform"}, known, required)
        if component["platform"] != "camera":
            assert "state_topic" in payload or "state_topic" in component
    ids = [component["unique_id"] for component in payload["components"].values()]
    assert len(set(ids)) == len(ids)


def _fields(found, known, required):
    assert required <= set(found) <= set(known), set(found) - set(known) or required - set(found)
    for name, value in found.items():
        kind = known[name]
        if isinstance(kind, type):
            assert type(value) is kind, (name, value)
        elif isinstance(kind, set):
            assert value in kind, (name, value)
        else:
            assert kind.fullmatch(value), (name, value)


def test_home_assistant_discovers_every_entity(running):
    with running() as (loop, listener):
        assert until(lambda: listener.last("config") and listener.last("state"))
        topic = next(topic for topic, _, _ in listener.messages if topic.endswith("/config"))
        payload, state = listener.last("config"), listener.last("state")
        check(topic, payload)
        assert payload["availability_topic"] == "edgemask/lab/availability" and payload["state_topic"] == "edgemask/lab/state"
        assert payload["device"]["name"] == "lab"
        parts = payload["components"]
        shown = {
            part["name"]: jinja2.Template(part["value_template"]).render(value_json=state)
            for part in parts.values() if "value_template" in part
        }  # fmt: skip
        fps, temperature = str(state["fps"]), str(state["temperature"])
        assert shown == {
            "Person count": "1", "Zone desk": "1", "Zone corner": "0", "Presence": "ON", "Frame rate": fps,
            "Temperature": temperature,
        }  # fmt: skip
        assert jinja2.Template(parts["presence"]["value_template"]).render(value_json={**state, "presence": False}) == "OFF"
        assert parts["camera"]["topic"] == "edgemask/lab/image" and parts["temperature"]["unit_of_measurement"] == "°C"
        # Home Assistant starts again: everything is announced anew, and once.
        before = len(listener.on("config")), len(listener.on("state"))
        listener.publish("homeassistant/status", "offline")
        listener.publish("homeassistant/status", "online")
        assert until(lambda: len(listener.on("config")) > before[0] and len(listener.on("state")) > before[1])
        assert listener.on("config") == [listener.on("config")[0]] * 2


@pytest.mark.parametrize("classes", [("person",), ("traffic light", 'the "other"', "chaise à bascule")])
def test_whatever_the_classes_and_zones_are_called(classes):
    topic, payload = discovery("a_b-C", classes, ["Door", "door", "d-r", "d_r"])
    check(topic, json.loads(json.dumps(payload)))
    state = {"counts": {name: number for number, name in enumerate(classes)}}
    for name, number in state["counts"].items():
        template = payload["components"][f"count_{name}"]["value_template"]
        assert jinja2.Template(template).render(value_json=state) == str(number)
