"""A Pi without a Pi: the real arm64 wheels under QEMU's Zero 2 W, 4 and 5, for answers and counts, never for time."""

from edgemask.errors import EdgemaskError


class EmulationError(EdgemaskError, RuntimeError):
    """An emulated Pi that could not be made, or a command that failed on it."""

    exit_code = 1
