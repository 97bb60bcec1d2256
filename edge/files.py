"""Writing files whole or not at all."""

import contextlib
import os
from pathlib import Path

from edgemask.errors import EdgemaskError, OutputError


@contextlib.contextmanager
def replacing(path):
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when not.

    >>> with replacing("masks.png") as temporary:
    ...     temporary.write_bytes(content)

    Raises OutputError for whatever the file system says.
    """
    path = Path(path)
    # The suffix stays last: video writers choose the container by it.
    temporary = path.with_name(f".{path.stem[:100]}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except (EdgemaskError, BrokenPipeError):
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
