"""Libraries that talk on standard error and offer no other way to switch it off."""

import contextlib
import os


@contextlib.contextmanager
def silent():
    """Within the block nothing reaches standard error, from C code either."""
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
