"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator


def progress(items: Iterable, label: str, total: int | None = None) -> Iterator:
    """Pass items through, saying on standard error how many of `total` are done and how long is left."""
    total = len(items) if total is None and hasattr(items, "__len__") else total
    live = sys.stderr.isatty()
    pause, start, said, done = 0.2 if live else 10.0, time.monotonic(), time.monotonic(), 0
    clear = "\r\033[K" * live
    try:
        for done, item in enumerate(items, 1):
            yield item
            if done != total and time.monotonic() - said > pause:
                said = time.monotonic()
                line = _line(label, done, total, said - start)
                print(clear + line, end="" if live else "\n", file=sys.stderr, flush=True)
    finally:
        print(clear, end="", file=sys.stderr, flush=True)
    print(_line(label, done, done, time.monotonic() - start), file=sys.stderr)


def _line(label, done, total, elapsed):
    rate = done / elapsed if elapsed else 0.0
    if not total or done >= total:
        return f"{label}: {done} in {elapsed:.1f} s"
    bar = "█" * round(20 * done / total)
    return f"{label}: {bar:░<20} {done}/{total}, {(total - done) / rate:.0f} s left"
