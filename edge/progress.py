"""Progress of long work: a line that is rewritten on a terminal, a plain one now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator


class Line:
    """The line on standard error; as a context manager it is wiped off a terminal at the end.

    >>> with Line() as line:
    ...     if line.due():
    ...         line.say("12 fps")
    """

    def __init__(self):
        self.terminal = sys.stderr.isatty()
        self.pause, self.said = 0.2 if self.terminal else 10.0, time.monotonic()

    def due(self) -> bool:
        """Whether it is time to say something again."""
        return time.monotonic() - self.said > self.pause

    def say(self, text: str):
        """Put this in the place of what was said before."""
        self.said = time.monotonic()
        print(f"\r\033[K{text}" if self.terminal else f"{text}\n", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_):
        print("\r\033[K" * self.terminal, end="", file=sys.stderr, flush=True)


def progress(items: Iterable, label: str, total: int | None = None) -> Iterator:
    """Pass items through, saying on standard error how many of `total` are done and how long is left."""
    total = len(items) if total is None and hasattr(items, "__len__") else total
    start, done = time.monotonic(), 0
    with Line() as line:
        for done, item in enumerate(items, 1):
            yield item
            if done != total and line.due():
                line.say(_text(label, done, total, time.monotonic() - start))
    print(_text(label, done, done, time.monotonic() - start), file=sys.stderr)


def _text(label, done, total, elapsed):
    rate = done / elapsed if elapsed else 0.0
    if not total or done >= total:
        return f"{label}: {done} in {elapsed:.1f} s"
    bar = "█" * round(20 * done / total)
    return f"{label}: {bar:░<20} {done}/{total}, {(total - done) / rate:.0f} s left"
