"""Programs of an arm64 root, run as on a given board."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from edgemask.benchmarks.emulated import EmulationError
from edgemask.benchmarks.emulated.boards import Board

PYTHON = "/opt/edgemask/bin/python"
PATH = ("/opt/edgemask/bin", "/usr/bin", "/usr/sbin")
# The runtimes choose their kernels by cpuinfo and the list of cores: with the host's they crash, with none LiteRT
# leaves XNNPACK out. QEMU comes into the root with the host's libraries: only the dynamic one takes plugins. The shell
# stays, because a crash does not end the first process of a namespace.
ENTER = """
set -e
cd "$1"
mount --bind "$2" srv
mount -t tmpfs none sys
mkdir -p sys/devices/system/cpu
for file in possible present online; do echo 0-3 > sys/devices/system/cpu/$file; done
printf %s "$3" > sys/cpuinfo
mount --bind sys/cpuinfo proc/cpuinfo
mount -t tmpfs none mnt
touch mnt/qemu
mount --bind "$(command -v qemu-aarch64)" mnt/qemu
mount --rbind /lib64 lib64
mount --rbind /usr/lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu
[ -z "$4" ] || mount --bind "$4" opt/edgemask/lib/python3*/site-packages/edgemask
shift 4
chroot . /mnt/qemu "$@"
exit
"""


@dataclass
class Pi:
    """A board with an SD card.

    >>> pi = Checkout(folder).pi("pi4", "trixie", work)
    >>> pi.run("edgemask", "run", "/srv/people.jpg")

    root: the arm64 root; work: the folder that is /srv there; package: the folder that takes the place of the
    installed package `edgemask`; environment: more variables.
    """

    board: Board
    root: Path
    work: Path
    package: Path | None = None
    environment: dict = field(default_factory=dict)

    def run(self, *command, **environment) -> subprocess.CompletedProcess:
        """A program with its arguments, to its end. Its children run only where the host's binfmt_misc takes arm64."""
        return subprocess.run(self.command(*command), env=self.variables(environment), capture_output=True, text=True)

    def check(self, *command, **environment) -> str:
        """What a program prints; raises EmulationError, with the last it said, when it fails."""
        done = self.run(*command, **environment)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
            raise EmulationError(f"{' '.join(command)[:100]} on {self.board.name} ended with {done.returncode}: {last}")
        return done.stdout

    def command(self, *command) -> list[str]:
        """What the host runs."""
        for place in ("proc", "sys", "mnt", "srv", "lib64", "usr/lib/x86_64-linux-gnu"):
            (self.root / place).mkdir(exist_ok=True)
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root}/proc",
                "sh", "-c", ENTER, "sh", str(self.root), str(self.work), self.board.cpuinfo, str(self.package or ""), *self._program(*command)]  # fmt: skip

    def variables(self, environment: dict) -> dict:
        """The environment of a command."""
        return {"PATH": ":".join(PATH), "HOME": "/srv", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0",
                "QEMU_CPU": self.board.cpu, **self.environment, **environment}  # fmt: skip

    def _program(self, name, *arguments):
        """The command as QEMU takes it: a program by its path, a script by its interpreter's."""
        paths = [Path(name)] if "/" in name else [Path(folder, name) for folder in PATH]
        for path, inside in ((path, self.root / path.relative_to("/")) for path in paths):
            if inside.is_symlink():  # what it leads to lies in the root, not here
                return [str(path), *arguments]
            if inside.is_file():
                with open(inside, "rb") as file:
                    first = file.readline(256)
                script = first[2:].decode().split() if first.startswith(b"#!") else []
                return [*script, str(path), *arguments]
        raise EmulationError(f"there is no program {name} in {self.root}")
