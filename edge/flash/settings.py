"""What the card shall know of its place: name, user, Wi-Fi, time zone."""

import hashlib
import re
import secrets
import zoneinfo
from dataclasses import dataclass, field

from edgemask.errors import OptionError

PORT = 8080


@dataclass(frozen=True)
class Wifi:
    """A network; country: the two letters without which the radio stays blocked."""

    ssid: str
    password: str
    country: str

    def __post_init__(self):
        if not re.fullmatch(r"[A-Z]{2}", self.country):
            raise OptionError(f"--country {self.country!r} is not two letters such as GB; without it the Wi-Fi stays blocked")
        if not 1 <= len(self.ssid.encode()) <= 32 or not self.ssid.isprintable():
            raise OptionError(f"--wifi {self.ssid!r} is not a network's name of 1 to 32 bytes")
        if not re.fullmatch(r"[ -~]{8,63}", self.password):
            raise OptionError("the Wi-Fi password is not 8 to 63 plain characters")

    @property
    def key(self) -> str:
        """The key that the password stands for, 64 hexadecimal digits (IEEE 802.11i): it opens this network alone."""
        return hashlib.pbkdf2_hmac("sha1", self.password.encode(), self.ssid.encode(), 4096, 32).hex()


@dataclass(frozen=True)
class Settings:
    """How the machine is called and who may enter it. Raises OptionError."""

    hostname: str
    user: str
    ssh_keys: tuple[str, ...] = ()
    password_hash: str | None = None
    wifi: Wifi | None = None
    timezone: str = "Etc/UTC"
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def __post_init__(self):
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", self.hostname):
            raise OptionError(f"--hostname {self.hostname!r} is not a name of small letters, digits and -")
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", self.user) or self.user == "root":
            raise OptionError(f"--user {self.user!r} is not a name of small letters, digits, _ and -")
        if not self.ssh_keys and not self.password_hash:
            raise OptionError("nobody could log in: give --ssh-key FILE or --password-hash HASH (openssl passwd -6)")
        if self.password_hash and not re.fullmatch(r"\$(5|6|y|2b)\$[./A-Za-z0-9$=,]+", self.password_hash):
            raise OptionError("--password-hash is not a hash: openssl passwd -6 makes one")
        for key in self.ssh_keys:
            if not re.fullmatch(r"(ssh|ecdsa|sk)-[\w@.-]+ [A-Za-z0-9+/=]+( [^'\n]*)?", key):
                raise OptionError(f"{key[:40]!r} is not a public SSH key")
        if self.timezone not in zoneinfo.available_timezones():
            raise OptionError(f"--timezone {self.timezone!r} is not a time zone such as Europe/Berlin")

    @property
    def link(self) -> str:
        """Where the web page will be."""
        return f"http://{self.hostname}.local:{PORT}/?token={self.token}"
