"""edgemask config: check a configuration file."""

import json

from edgemask.arguments import parser
from edgemask.verbs.run import prepare, read_options


def main(arguments) -> int:
    """The verb."""
    it = parser("config", "Check a configuration file of `edgemask run`.", "edgemask config check /etc/edgemask.toml")
    it.add_argument("action", choices=["check"])
    it.add_argument("file", metavar="FILE", help="TOML with the names of run's flags: source = \"picamera2\", gate = true …")
    it.add_argument("--json", action="store_true", help="print every option of run with its value")
    options = it.parse_args(arguments)
    found = read_options([f"--config={options.file}"])
    prepare(found)
    if options.json:
        print(json.dumps(vars(found), default=str))
    else:
        print(f"{options.file} is fine; it runs {found.source}")
    return 0
