"""What every sink is."""

from pathlib import Path


class Sink:
    """Where results go: a context manager with `write`.

    paths: the files it wrote, for the closing report; `str(sink)` names it in messages. `write` raises OutputError
    when it cannot; a live loop then says so once, calls `__exit__`, with backoff `__enter__` again, and goes on, also
    after any other exception (but BrokenPipeError, which says that whoever read standard output has gone).
    """

    def __init__(self):
        self.paths: list[Path] = []

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, *raised):
        pass

    def write(self, frame, detections):
        """Take one frame and its detections; called from one thread only, never concurrently."""
        raise NotImplementedError
