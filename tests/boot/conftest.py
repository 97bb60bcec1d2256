"""A stand-in for Raspberry Pi OS, flashed by `edgemask flash` and booted in QEMU."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from edgemask.benchmarks.emulated.root import Checkout
from edgemask.cameras import open_camera
from edgemask.flash.fat import Fat
from edgemask.flash.image import partitions
from edgemask.pictures import read
from edgemask.verbs import demo

FOLDER = Path(__file__).parent
NEEDED = ("mmdebstrap", "qemu-system-aarch64", "qemu-aarch64-static", "mke2fs", "debugfs", "mcopy", "sfdisk", "ssh")
FRAMES = 8
# A Zero 2 W: its core, its 512 MB, of which firmware and contiguous memory leave about 426 to programs.
ZERO = ("cortex-a53", 512, "mem=460M")


class Guest:
    """A card in an emulated machine; a context manager that ends it.

    QEMU starts the kernel in the place of the Pi's firmware, with the card's own command line.
    """

    def __init__(self, vendor: Path, card: Path, key: Path, log: Path, machine=ZERO):
        (cpu, memory, more), self.key, self.log = machine, key, log
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with Fat(card, partitions(card, card)[0]) as boot:
            words = boot.read("cmdline.txt").decode().split()
        line = " ".join(word for word in words if not word.startswith(("console=", "quiet")))
        command = [
            "qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", cpu, "-accel", "tcg,thread=multi", "-smp", "2",
            "-m", str(memory), "-kernel", vendor / "vmlinuz",
            "-append", f"{line} console=ttyAMA0 net.ifnames=0 {more}", "-drive", f"file={card},if=none,id=card,format=raw",
            "-device", "nvme,drive=card,serial=card",
            "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22",
            "-device", "virtio-net-pci,netdev=net,romfile=",  # nothing boots over it; its ROM is in a package of its own
            "-nographic", "-no-reboot",
        ]  # fmt: skip
        self.started = time.monotonic()
        with log.open("wb") as console:
            self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.qemu.kill()
        self.qemu.wait()

    @property
    def seconds(self):
        return round(time.monotonic() - self.started)

    def console(self):
        return self.log.read_text(errors="replace")

    def wait(self, condition, seconds=900):
        """Until the condition holds; its value."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < end and self.qemu.poll() is None, self.console()[-4000:]
            time.sleep(5)  # each look is a login, which costs an emulated machine seconds
        return value

    def ended(self, seconds=900):
        """Until the machine has switched itself off or started again."""
        assert self.qemu.wait(seconds) == 0, self.console()[-4000:]

    def __call__(self, command: str) -> subprocess.CompletedProcess:
        """A command in the machine, as root, over SSH as the card's user."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=60", "LogLevel=ERROR")
        there = ["ssh", "-i", self.key, "-p", str(self.port), *(f"-o{one}" for one in options), "maria@127.0.0.1"]
        for _ in range(8):
            done = subprocess.run([*there, "sudo", "sh", "-c", f"'{command}'"], capture_output=True, text=True, timeout=300)
            if done.returncode != 255:  # SSH's own: an emulated machine may take longer to answer than it waits
                break
        return done

    def records(self) -> list[dict]:
        """What the service has written, once it has been through the clip."""
        path = "/var/lib/edgemask/masks.jsonl"

        def whole():
            lines = self(f"cat {path}").stdout.splitlines()
            return lines if len(lines) == FRAMES else None

        return [json.loads(line) for line in self.wait(whole)]

    def peak_memory(self) -> int:
        """The most memory, in MiB, that the service's process ever had, asked until it has been through the clip."""
        peak = 0
        while kilobytes := self("cat /proc/$(systemctl show -P MainPID edgemask)/status | grep VmHWM").stdout.split():
            peak = max(peak, int(kilobytes[1]) >> 10)
            time.sleep(5)
        return peak


@pytest.fixture(scope="session")
def vendor() -> Path:
    """The folder with the stand-in image and its kernel."""
    missing = [program for program in NEEDED if not shutil.which(program)]
    if sys.platform != "linux" or os.geteuid() or missing:
        assert not os.environ.get("CI"), f"CI must be root and have {', '.join(missing)}"
        pytest.skip(f"booting a card needs root and {', '.join(missing)}")
    started = time.monotonic()
    folder = Path(subprocess.check_output([FOLDER / "image.sh"], text=True).strip())
    print(f"stand-in image: {_size(folder / 'vendor.img')}, made in {time.monotonic() - started:.0f} s")
    return folder


@pytest.fixture(scope="session")
def key(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture
def boot(vendor, key, tmp_path):
    """`boot(card)` is a running machine with this card."""
    return lambda card: Guest(vendor, card, key, tmp_path / f"console-{time.monotonic_ns()}")


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """The demo's clip, shorter, as PNG of the model's own size: FFmpeg's colours and OpenCV's resize round otherwise on ARM."""
    folder = tmp_path_factory.mktemp("clip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "CLIP_SIZE", (320, 240))
        patch.setattr(demo, "CLIP_FRAMES", FRAMES)
        demo.pan_and_zoom(read(demo.ASTRONAUT), folder / "clip.mp4")
    (folder / "clip").mkdir()
    for frame in open_camera(folder / "clip.mp4"):
        cv2.imwrite(str(folder / "clip" / f"{frame.number:02}.png"), cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
    return folder / "clip"


@pytest.fixture(scope="session")
def expected(clip) -> list[dict]:
    """The clip's records on this machine."""
    path = clip.with_suffix(".jsonl")
    subprocess.run([sys.executable, "-m", "edgemask", "run", clip, "--jsonl", path], check=True, capture_output=True)
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    return Checkout(tmp_path_factory.mktemp("wheel")).wheel


@pytest.fixture(scope="session")
def flash(tmp_path_factory, vendor, key, clip, wheel):
    """`flash(image)` is a card made of it, with the clip in the place of a camera; what was printed is beside it."""

    def make(image: Path) -> tuple[Path, dict]:
        folder = tmp_path_factory.mktemp("card")
        card, config = folder / "card.img", folder / "live.toml"
        (folder / "wifi").write_text("correct horse battery staple\n")
        config.write_text('source = "/boot/firmware/clip"\njsonl = ["masks.jsonl"]\n')
        command = ["flash", image, "-o", card, "--config", config, "--wheel", wheel, "--hostname", "gate-2", "--user", "maria",
                   "--ssh-key", f"{key}.pub", "--wifi", "Home", "--wifi-password-file", folder / "wifi", "--country", "DE",
                   "--timezone", "Europe/Berlin", "--json"]  # fmt: skip
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "edgemask", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        print(f"card: {_size(card)}, made in {time.monotonic() - started:.0f} s")
        with Fat(card, partitions(card, card)[0]) as boot:
            for path in clip.iterdir():
                boot.write(f"clip/{path.name}", path.read_bytes())
        return card, json.loads(done.stdout)

    return make


def _size(path):
    return f"{path.stat().st_size >> 20} MiB ({path.stat().st_blocks >> 11} on the disk)"
