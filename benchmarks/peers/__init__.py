"""Other instance segmenters against edgemask, end to end on the same frame: never imported by the product."""

from edgemask.errors import EdgemaskError


class PeerError(EdgemaskError, RuntimeError):
    """A peer that could not be exported or run, or that did not give the scene's ten instances."""

    exit_code = 1
