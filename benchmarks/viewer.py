"""A viewer of the web page, as a browser is one."""

from collections.abc import Iterator

from edgemask.web.page import WebPage


def look(address: str) -> Iterator[bytes]:
    """Each picture that `ws://HOST:PORT/live` sends, answered, until it ends."""
    from websockets.sync.client import connect

    with connect(address, proxy=None, max_size=None) as client:
        for message in client:
            if isinstance(message, bytes):
                client.send("")
                yield message


def address_of(page: WebPage) -> str | None:
    """Where a page of this process sends its pictures; None before it listens."""
    return f"ws://127.0.0.1:{page.server.port}/live" if page.server and page.server.port else None
