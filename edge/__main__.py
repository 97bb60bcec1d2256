"""python -m edgemask."""

import sys

from edgemask.cli import main

sys.exit(main())
