"""MQTT options on the command line."""

from pathlib import Path

from edgemask.errors import OptionError


def mqtt_options(parser):
    """Declare the flags that say which broker gets what."""
    group = parser.add_argument_group("MQTT and Home Assistant")
    group.add_argument("--mqtt", type=_broker, metavar="mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT]",
                       help="publish counts, events and pictures of a camera on this broker; turns --track on")  # fmt: skip
    group.add_argument("--mqtt-password-file", type=Path, metavar="FILE", help="the password (or $EDGEMASK_MQTT_PASSWORD)")
    group.add_argument("--mqtt-ca", type=Path, metavar="FILE", help="certificates to trust in place of the system's, PEM")
    group.add_argument("--mqtt-frames", action="store_true", help="publish every frame's record too")
    group.add_argument("--device", metavar="NAME", help="the name in topics and in Home Assistant (default: this host's)")
    group.add_argument("--zone", action="append", nargs="+", default=[], metavar=("NAME", "x,y"),
                       help="count who touches this polygon, in fractions of the frame (door 0,0.5 0.3,0.5 0.3,1); may be repeated")  # fmt: skip


def check_mqtt(options):
    """Raise OptionError for values that make no sense, alone or together."""
    if not options.mqtt:
        for flag in ("mqtt_password_file", "mqtt_ca", "mqtt_frames", "device", "zone"):
            if getattr(options, flag):
                raise OptionError(f"--{flag.replace('_', '-')} is for --mqtt, which is not given")
        return
    from edgemask.sinks.mqtt import device_name
    from edgemask.zones import parse_zones

    parse_zones(options.zone)
    device_name(options.device)


def mqtt_from(options, classes) -> list:
    """The sink that parsed options ask for, if any; classes: the bundle's. Raises OptionError, MissingLibrary."""
    if not options.mqtt:
        return []
    from edgemask.sinks.mqtt import Mqtt
    from edgemask.zones import parse_zones

    broker = options.mqtt.let_in(options.mqtt_password_file, options.mqtt_ca)
    return [Mqtt(broker, classes, options.device, parse_zones(options.zone), options.mqtt_frames)]


def _broker(url):
    from edgemask.sinks.broker import Broker

    return Broker.parse(url)
