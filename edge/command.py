"""How a command outside the table of verbs ends."""

import sys

from edgemask.errors import EdgemaskError


def exit_code(main, *arguments) -> int:
    """What `main(*arguments)` returns, 0 for None; an error of the kit's is one sentence, and its own exit code."""
    try:
        return main(*arguments) or 0
    except EdgemaskError as error:
        print(f"edgemask: {error}", file=sys.stderr)
        return error.exit_code
