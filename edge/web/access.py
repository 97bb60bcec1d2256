"""Where the web page listens, and who may see it."""

import hmac
import ipaddress
import secrets
import socket
from urllib.parse import parse_qs, urlsplit

from edgemask.errors import OptionError

SHORTEST = 12  # characters of a token


class Access:
    """`HOST:PORT`, and the token that everything but /healthz needs when other machines can reach it.

    public: False, True for a token made up now, or the token; a loopback HOST then becomes every interface.
    Raises OptionError, also for a HOST that other machines reach while public is False.
    """

    def __init__(self, address: str = "127.0.0.1:8000", public: bool | str = False):
        host, _, port = address.rpartition(":")
        if not (host and port.isdecimal() and int(port) < 65_536):
            raise OptionError(f"{address} is not HOST:PORT, for example 127.0.0.1:8000")
        self.host, self.port = host.strip("[]"), int(port)
        if not public and not _loopback(self.host):
            raise OptionError(f"{self.host} can be reached from other machines: --public gives the page a token")
        self.token = public if isinstance(public, str) else secrets.token_urlsafe(16) if public else None
        if self.token is not None:
            if len(self.token) < SHORTEST or set(self.token) - _LETTERS:
                raise OptionError(f"a token has at least {SHORTEST} letters, digits, - or _")
            self.host = None if _loopback(self.host) else self.host

    def __str__(self):
        return f"{self.host or 'port'} {self.port}"

    def link(self, port: int) -> str:
        """The page's full address, for people; port: the one it listens on."""
        host = self.host or _own_address()
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{port}/" + (f"?token={self.token}" if self.token else "")

    def allows(self, path: str, headers) -> bool:
        """Whether this request carries the token; without one, whether no other web site had a hand in it."""
        if self.token:
            bearer = headers.get("Authorization", "").removeprefix("Bearer ")
            given = parse_qs(urlsplit(path).query).get("token", [bearer])[0]
            return hmac.compare_digest(given.encode(), self.token.encode())
        # A site may point its own name at 127.0.0.1, or open a WebSocket to it: browsers say so in these two.
        host, origin = headers.get("Host", ""), headers.get("Origin")
        return _loopback(urlsplit(f"//{host}").hostname) and origin in (None, f"http://{host}")


_LETTERS = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def _loopback(host) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_address() -> str:
    """The address other machines most likely reach this one at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks for the route
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()
