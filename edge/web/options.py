"""--web and --public."""

from edgemask.web.access import Access

DEFAULT = "127.0.0.1:8000"


def web_options(parser):
    """Declare them, in a group of their own."""
    it = parser.add_argument_group("web page")
    it.add_argument("--web", nargs="?", const=DEFAULT, metavar="HOST:PORT",
                    help=f"live picture and /metrics (default {DEFAULT}: this machine alone)")  # fmt: skip
    it.add_argument("--public", nargs="?", const=True, metavar="TOKEN",
                    help="let other machines see it, who know the TOKEN (made up and printed when none is given)")  # fmt: skip


def web_from(options) -> list:
    """The sink they ask for, as a list of one or none. Raises OptionError, MissingLibrary."""
    if not options.web and not options.public:
        return []
    from edgemask.web.page import WebPage

    access = Access(options.web or DEFAULT, options.public or False)
    return [WebPage(access, silence=max(10.0, 3 / options.fps) if options.fps else 10.0)]
