"""Where an MQTT broker is, and how to be let in."""

import os
import ssl
from argparse import ArgumentTypeError
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edgemask.errors import OptionError

VARIABLE = "EDGEMASK_MQTT_PASSWORD"


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
        """`mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT]`, user and password percent-encoded.

        Raises ArgumentTypeError, which repeats no password.
        """
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
        password = self.password or (_secret(password_file) if password_file else os.environ.get(VARIABLE))
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


def _secret(path):
    try:
        return path.read_text().strip()
    except OSError as error:
        raise OptionError(f"--mqtt-password-file {path} cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise OptionError(f"--mqtt-password-file {path} is not text in UTF-8") from error
