"""edgemask service: a live run that starts with the machine, under systemd."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from edgemask.arguments import parser
from edgemask.configuration import naming
from edgemask.errors import OptionError, OutputError
from edgemask.files import replacing
from edgemask.service import UNIT, unit
from edgemask.verbs.run import prepare, read_options

STATE = "/var/lib/edgemask"
BOOTED = Path("/run/systemd/system")  # there while systemd runs: sd_booted(3)


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    return ACTIONS[options.action](options)


def _install(options):
    config = Path(options.config).absolute()
    run = read_options([f"--config={config}"])
    _, source, _ = prepare(run)
    with naming(config):
        _absolute(source=source.path, bundle=run.bundle, mqtt_password_file=run.mqtt_password_file, mqtt_ca=run.mqtt_ca)
    text = unit(config, run.source, run.fps, options.user)
    if options.print:
        print(text, end="")
        return 0
    _as_root("install")
    if not BOOTED.is_dir():
        raise OptionError("systemd does not run here, so nothing could start edgemask: --print shows the unit")
    _reachable(Path(sys.executable))
    with replacing(UNIT) as temporary:
        temporary.write_text(text)
        temporary.chmod(0o644)
    _systemctl("daemon-reload")
    _systemctl("enable", "--quiet", UNIT.name)
    _systemctl("restart", "--no-block", UNIT.name)
    print(f"{UNIT.name} runs {config} now and at every start; what it writes is in {STATE}")
    print("edgemask service status shows how it is, edgemask service logs what it says")
    return 0


def _absolute(**paths):
    for name, path in paths.items():
        if path and not Path(path).is_absolute():
            raise OptionError(f"{name.replace('_', '-')} {path} should be an absolute path: the service runs in {STATE}")


def _status(_):
    return _tool("systemctl", "status", "--no-pager", UNIT.name)


def _logs(_):
    return _tool("journalctl", "--unit", UNIT.name, "--lines=100", "--no-pager", "--output=short-iso")


def _remove(_):
    _as_root("remove")
    if not UNIT.exists():
        raise OptionError(f"there is no {UNIT}: nothing to remove")
    _systemctl("disable", "--quiet", "--now", UNIT.name)
    UNIT.unlink()
    _systemctl("daemon-reload")
    print(f"{UNIT.name} is stopped and removed; {STATE} stays as it is")
    return 0


ACTIONS = {"install": _install, "status": _status, "logs": _logs, "remove": _remove}


def _as_root(action):
    if os.geteuid():
        raise OptionError(f"service {action} needs root: sudo {sys.executable} -m edgemask service {action} …")


def _reachable(path):
    """The service's own user must be able to run this Python."""
    for folder in (*path.parents, *path.resolve().parents):
        if not folder.stat().st_mode & 0o001:
            raise OptionError(f"{path} cannot be run by the service, for {folder} is closed to others: "
                              "make the virtual environment in /opt/edgemask")  # fmt: skip


def _tool(name, *arguments):
    if not shutil.which(name):
        raise OptionError(f"there is no {name} here: edgemask service is for Linux with systemd")
    return subprocess.run([name, *arguments]).returncode


def _systemctl(*arguments):
    if code := _tool("systemctl", *arguments):
        raise OutputError(f"systemctl {' '.join(arguments)} failed with exit code {code}")


def _options(arguments):
    it = parser(
        "service", "Run a configuration as a systemd service.",
        "edgemask service install --config /etc/edgemask.toml --print; as root without --print: sudo /opt/edgemask/bin/edgemask …",
    )  # fmt: skip
    actions = it.add_subparsers(dest="action", required=True, metavar="install|status|logs|remove")
    install = actions.add_parser("install", help="write the unit, start it now and at every start of the machine",
                                 epilog="example:\n  edgemask service install --config /etc/edgemask.toml --print",
                                 formatter_class=it.formatter_class)  # fmt: skip
    install.add_argument("--config", required=True, metavar="FILE",
                         help="see edgemask config check; may be readable by root alone")  # fmt: skip
    install.add_argument("--user", default="edgemask", metavar="NAME",
                         help="a user who is there, or a new one of the service's own")  # fmt: skip
    install.add_argument("--print", action="store_true", help="print the unit and install nothing; needs no root")
    actions.add_parser("status", help="what systemd says about it")
    actions.add_parser("logs", help="the last hundred lines it wrote")
    actions.add_parser("remove", help="stop it and take the unit away")
    return it.parse_args(arguments)
