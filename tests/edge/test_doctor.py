"""doctor on made-up Pis: folders with what the files of real ones hold."""

import json
import os
import re
from pathlib import Path

import pytest

import edgemask
from edgemask.cli import main
from edgemask.device import Device
from edgemask.doctor import CHECKS, board, camera, engines

SIMPLE = "fp asimd evtstrm crc32 cpuid"
PI_5 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
CODECS = ["bcm2835-codec-decode", "bcm2835-codec-encode", "bcm2835-codec-isp", "bcm2835-isp-output0", "bcm2835-isp-capture0"]
# model, CPU part, revision, BogoMIPS, features, MemTotal and CmaTotal in kB, V4L2 devices
PIS = {
    "zero-2-w": ("Raspberry Pi Zero 2 W Rev 1.0", "0xd03", "4", "38.40", SIMPLE, 426_364, 262_144, ["unicam-image", *CODECS]),
    "3": ("Raspberry Pi 3 Model B Plus Rev 1.3", "0xd03", "4", "38.40", SIMPLE, 930_304, 262_144, ["unicam-image", *CODECS]),
    "4": ("Raspberry Pi 4 Model B Rev 1.4", "0xd08", "3", "108.00", SIMPLE, 3_885_396, 524_288,
          ["unicam-image", "rpivid", *CODECS]),
    "5": ("Raspberry Pi 5 Model B Rev 1.0", "0xd0b", "1", "108.00", PI_5, 8_245_280, 65_536,
          ["rp1-cfe-csi2_ch0", "rp1-cfe-fe_image0", "pispbe-input", "pispbe-output0", "rpi-hevc-dec"]),
}  # fmt: skip
FLAWLESS = {"zero-2-w": {"EM305"}, "3": {"EM305"}, "4": {"EM305"}, "5": set()}


class Pi:
    """A made-up Pi below a folder, flawless until something is broken."""

    def __init__(self, folder: Path, monkeypatch, kind: str):
        self.root, self.commands, self.modules = folder / "root", folder / "bin", folder / "modules"
        self.monkeypatch = monkeypatch
        model, part, revision, mips, features, memory, cma, videos = PIS[kind]
        core = (f"processor\t: %d\nBogoMIPS\t: {mips}\nFeatures\t: {features}\nCPU implementer\t: 0x41\n"
                f"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {part}\nCPU revision\t: {revision}\n\n")  # fmt: skip
        self.file("proc/device-tree/model", model + "\0")
        self.file("proc/cpuinfo", "".join(core % number for number in range(4)) + f"Model\t\t: {model}\n")
        self.file("proc/meminfo", f"MemTotal:       {memory:8} kB\nMemAvailable:   {memory * 2 // 3:8} kB\n"
                                  f"HugePages_Total:       0\nCmaTotal:       {cma:8} kB\nCmaFree:        {cma // 2:8} kB\n")  # fmt: skip
        self.file("proc/self/exe", "\x7fELF\x02\x01\x01")
        self.file("etc/os-release", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n')
        self.file("sys/class/thermal/thermal_zone0/temp", "48312\n")
        self.file("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n")
        self.videos(*videos)
        self.command("vcgencmd", "throttled=0x0")
        self.command("timedatectl", "yes")
        self.module("picamera2", "")
        monkeypatch.setenv("PYTHONPATH", f"{self.modules}:{os.environ.get('PYTHONPATH', '')}")

    def file(self, name, text):
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def edit(self, name, old, new):
        text = (self.root / name).read_text()
        assert re.search(old, text)
        self.file(name, re.sub(old, new, text))

    def videos(self, *names):
        for old in self.root.glob("sys/class/video4linux/*/name"):
            old.unlink()
            old.parent.rmdir()
        for number, name in enumerate(names):
            self.file(f"sys/class/video4linux/video{number}/name", name + "\n")

    def command(self, name, said):
        self.commands.mkdir(exist_ok=True)
        (self.commands / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (self.commands / name).chmod(0o755)

    def module(self, name, code):
        """A package that shadows the real one in the processes that doctor starts."""
        (self.modules / name).mkdir(parents=True, exist_ok=True)
        (self.modules / name / "__init__.py").write_text(code)

    def findings(self, checks=CHECKS):
        device = Device(self.root, path=str(self.commands))
        return {finding.code: finding for check in checks for finding in check(device)}


@pytest.fixture
def pi(tmp_path, monkeypatch):
    return lambda kind="5": Pi(tmp_path, monkeypatch, kind)


def no_engine(pi):
    hide = "import importlib.util, sys\nfind = importlib.util.find_spec\n"
    hide += "importlib.util.find_spec = lambda name, *more: None if name in {names} else find(name, *more)"
    names = ("ai_edge_litert", "onnxruntime", "tflite_runtime")
    for name in names:
        pi.module(name, "raise ImportError('hidden')")
    (pi.modules / "sitecustomize.py").write_text(hide.format(names=names))


def no_xnnpack(pi):
    """The real LiteRT, asked to keep its delegates out."""
    (pi.modules / "sitecustomize.py").write_text(
        "import functools\n"
        "from ai_edge_litert import interpreter as it\n"
        "it.Interpreter = functools.partial(it.Interpreter, "
        "experimental_op_resolver_type=it.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)\n"
    )


def old_numpy_abi(pi):
    pi.module("simplejpeg", "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility. Expected 96, got 88')")


BROKEN = {
    "EM100": lambda pi: pi.file("proc/device-tree/model", "linux,dummy-virt\0"),
    "EM101": lambda pi: pi.file("proc/self/exe", "\x7fELF\x01\x01\x01"),
    "EM102": lambda pi: pi.command("timedatectl", "no"),
    "EM103": lambda pi: pi.monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": 100 << 20})),
    "EM104": lambda pi: pi.edit("proc/meminfo", r"MemAvailable: +\d+", "MemAvailable: 99000"),
    "EM201": lambda pi: pi.videos("pispbe-input", "rpi-hevc-dec"),
    "EM202": lambda pi: pi.module("picamera2", "import no_such_libcamera"),
    "EM203": old_numpy_abi,
    "EM204": lambda pi: pi.edit("proc/meminfo", r"CmaTotal: +\d+", "CmaTotal: 16384"),
    "EM301": no_engine,
    "EM302": lambda pi: pi.module("onnxruntime", "import os, signal; os.kill(os.getpid(), signal.SIGILL)"),
    "EM303": lambda pi: pi.module("onnxruntime", "raise ImportError('libgomp.so.1: cannot open shared object file')"),
    "EM304": no_xnnpack,
    "EM305": lambda pi: pi.edit("proc/cpuinfo", " asimddp", ""),
    "EM401": lambda pi: pi.command("vcgencmd", "throttled=0x50001"),
    "EM402": lambda pi: pi.command("vcgencmd", "throttled=0x20000"),
    "EM403": lambda pi: pi.file("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
}
# What comes along: without the bit of a low voltage there is no slowing down that it causes.
ALONG = {"EM401": {"EM402"}}


@pytest.mark.parametrize("kind", PIS)
def test_a_flawless_pi_has_no_finding(pi, kind):
    assert set(pi(kind).findings()) == FLAWLESS[kind]


@pytest.mark.parametrize("code", BROKEN)
def test_each_finding_is_shown_alone_with_what_fixes_it(pi, code):
    made_up = pi()
    BROKEN[code](made_up)
    found = made_up.findings()
    assert set(found) == {code} | ALONG.get(code, set())
    finding = found[code]
    assert finding.wrong is (code not in ("EM100", "EM305")) is bool(finding.fix)
    assert finding.sentence[0].islower() or finding.sentence.split()[0] in ("Picamera2", "LiteRT")
    assert "\n" not in finding.sentence + finding.fix


def test_every_code_has_its_test():
    sources = Path(edgemask.__file__).parent.glob("doctor/*.py")
    assert sorted(code for source in sources for code in re.findall(r'"(EM\d+)"', source.read_text())) == sorted(BROKEN)


@pytest.mark.parametrize(
    ("bits", "codes"),
    [("0x1", {"EM401"}), ("0x10000", {"EM401"}), ("0x2", {"EM402"}), ("0x4", {"EM402"}), ("0x8", {"EM402"}),
     ("0x80000", {"EM402"}), ("0xf0000", {"EM401", "EM402"}), ("0x100", set())],
)  # fmt: skip
def test_the_firmware_s_bits(pi, bits, codes):
    made_up = pi()
    made_up.command("vcgencmd", f"throttled={bits}")
    found = made_up.findings([board.voltage, board.throttling])
    assert set(found) == codes
    assert all(("has been" in one.sentence) is (int(bits, 16) >= 0x10000) for one in found.values())


def test_an_engine_s_death_is_told_by_its_signal_and_is_not_doctor_s(pi):
    made_up = pi()
    BROKEN["EM302"](made_up)
    assert "onnxruntime dies when it is imported (SIGILL)" in made_up.findings([engines.imports])["EM302"].sentence


def test_picamera2_from_apt_outside_the_environment_is_told_from_none(pi):
    made_up = pi()
    made_up.module("picamera2", "raise ModuleNotFoundError(\"No module named 'picamera2'\")")
    assert "apt install python3-picamera2" in made_up.findings([camera.picamera2])["EM202"].fix
    made_up.file("usr/lib/python3/dist-packages/picamera2/__init__.py", "")
    assert "--system-site-packages" in made_up.findings([camera.picamera2])["EM202"].fix


def test_with_a_usb_camera_alone_nobody_needs_picamera2(pi):
    made_up = pi("4")
    made_up.videos("HD Pro Webcam C920", "HD Pro Webcam C920", *CODECS)
    made_up.module("picamera2", "import no_such_libcamera")
    assert set(made_up.findings()) == FLAWLESS["4"]


def test_a_machine_that_tells_nothing_is_no_failure(tmp_path):
    device = Device(tmp_path / "nothing", path=str(tmp_path))
    assert (device.model, device.bits, device.temperature, device.throttled, device.clock_set) == ("", None, None, None, None)
    assert device.memory == {} and device.video_devices == [] and device.cpu_flags == frozenset()


def test_the_verb(capsys, monkeypatch, pi):
    made_up = pi("4")
    monkeypatch.setattr("edgemask.verbs.doctor.Device", lambda: Device(made_up.root, path=str(made_up.commands)))
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Raspberry Pi 4 Model B Rev 1.4, Debian GNU/Linux 12 (bookworm), 64-bit, 3794 MiB") and "EM305" in text
    assert text.endswith("nothing is wrong\n")
    BROKEN["EM401"](made_up)
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["device"]["temperature"] == 48.312 and found["device"]["governor"] == "ondemand"
    assert [one["code"] for one in found["findings"]] == ["EM305", "EM401", "EM402"]
    assert main(["doctor"]) == 1
    assert "      fix: use the Raspberry Pi's own power supply" in (text := capsys.readouterr().out) and "2 things wrong" in text


def test_doctor_here(capsys):
    """This machine, whatever it is."""
    assert main(["doctor", "--json"]) in (0, 1)
    found = json.loads(capsys.readouterr().out)
    assert found["device"]["bits"] in (64, None) and all(one["code"] in BROKEN for one in found["findings"])
