"""Home Assistant: what makes the camera appear there by itself."""

import json
from importlib import metadata

STATUS = "homeassistant/status"  # where Home Assistant says `online` when it has started
EXPIRE = 60  # seconds without a state after which Home Assistant takes the values for unknown


def discovery(device: str, classes, zones) -> tuple[str, dict]:
    """Topic and payload of the device's MQTT discovery message, in the format of Home Assistant 2024.11 and newer.

    device: its name in topics; classes, zones: names, each counted by a sensor of its own.
    See https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload.
    """
    version, topics, uid = metadata.version("edgemask"), f"edgemask/{device}", f"edgemask_{device}"
    components = {
        **{f"count_{name}": _count(f"{name.capitalize()} count", "counts", name) for name in classes},
        **{f"zone_{name}": _count(f"Zone {name}", "zones", name) for name in zones},
        "presence": {
            "platform": "binary_sensor", "name": "Presence", "device_class": "occupancy", "expire_after": EXPIRE,
            "value_template": "{{ 'ON' if value_json.presence else 'OFF' }}",
        },
        "fps": _diagnostic("Frame rate", "fps", "fps"),
        "temperature": _diagnostic("Temperature", "temperature", "°C", device_class="temperature"),
        "camera": {"platform": "camera", "name": "Camera", "topic": f"{topics}/image"},
    }  # fmt: skip
    return f"homeassistant/device/{uid}/config", {
        "device": {"identifiers": [uid], "name": device, "manufacturer": "edgemask", "sw_version": version},
        "origin": {"name": "edgemask", "sw_version": version},
        "availability_topic": f"{topics}/availability",
        "state_topic": f"{topics}/state",
        "components": {key: {"unique_id": f"{uid}_{key}", **one} for key, one in components.items()},
    }


def _sensor(name, value, **more):
    return {
        "platform": "sensor", "name": name, "state_class": "measurement", "expire_after": EXPIRE,
        "value_template": f"{{{{ value_json.{value} }}}}", **more,
    }  # fmt: skip


def _count(name, group, key):
    return _sensor(name, f"{group}[{json.dumps(key)}]")


def _diagnostic(name, value, unit, **more):
    return _sensor(name, value, entity_category="diagnostic", unit_of_measurement=unit, **more)
