"""The folder `edgemask` on the card's boot partition, and how an image or Raspberry Pi Imager is told of it."""

import secrets
import shutil
import tomllib
from importlib import resources
from pathlib import Path

from edgemask.errors import OptionError
from edgemask.flash import cloudinit, firstrun, wheelhouse
from edgemask.flash.fat import Fat
from edgemask.flash.settings import PORT, Settings
from edgemask.flash.system import System
from edgemask.verbs.run import read_options

CONFIG = 'source = "picamera2"\ntrack = true\n'
FOLDER = "edgemask"


def prepare(
    folder: Path, settings: Settings, system: System, config: Path | None, bundle: Path | None, wheel: Path | None
) -> bool:
    """Write the folder's content; returns whether the machine needs the internet once, for apt's Picamera2.

    config: a configuration of `edgemask run` (default: the first Pi camera, with tracking); bundle: a model (default:
    the shipped one); wheel: edgemask itself (default: the running one). Raises what their checks raise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = _configuration(config, settings, bundle)
    (folder / "edgemask.toml").write_bytes(text.encode())
    source = read_options([f"--config={folder / 'edgemask.toml'}"]).source
    needs = source.startswith("picamera2") and not system.picamera2
    if bundle:
        from edgemask.bundle import Bundle

        Bundle(bundle)
        shutil.copy(bundle, folder / "bundle.edgemask")
    (folder / "packages").write_text(" ".join(cloudinit.APT) if needs else "")
    (folder / "python").write_text(system.python)
    (folder / "link.txt").write_text(settings.link)
    (folder / "firstboot.sh").write_bytes(resources.files("edgemask.flash").joinpath("firstboot.sh").read_bytes())
    wheelhouse.fill(folder / "wheels", wheel, system.python, system.release)
    return needs


def _configuration(path, settings, bundle):
    try:
        text = path.read_text() if path else CONFIG
        given = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise OptionError(f"{path} cannot be read: {error}") from error
    ours = {"web": f"127.0.0.1:{PORT}", "public": settings.token}
    if bundle:
        ours["bundle"] = "/opt/edgemask/bundle.edgemask"
    if taken := sorted(ours.keys() & given.keys()):
        raise OptionError(f"{path}: {taken[0]} is set by flash itself, take it out")
    return "".join(f'{name} = "{value}"\n' for name, value in ours.items()) + text


def customise(boot: Fat, folder: Path, settings: Settings, system: System, needs_apt: bool):
    """Put the prepared folder and what starts it onto a boot partition. Raises OutputError when it is full."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            boot.write(f"{FOLDER}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    line = boot.read("cmdline.txt").decode()
    if system.cloud_init:
        instance = f"edgemask-{secrets.token_hex(8)}"
        for name, content in cloudinit.files(settings, instance, needs_apt).items():
            boot.write(name, content)
        line = cloudinit.command_line(line, instance)
    else:
        boot.write("firstrun.sh", firstrun.script(settings))
        line = firstrun.command_line(line)
    boot.write("cmdline.txt", line.encode())
