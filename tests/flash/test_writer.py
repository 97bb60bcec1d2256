"""A card written and read back: a file as large as a card, and a loop device where there is one."""

import os
import subprocess

import pytest

from edgemask.cli import main
from edgemask.errors import OptionError, OutputError
from edgemask.flash import writer
from edgemask.flash.disks import Disk

SIZE = 10 << 20


@pytest.fixture
def image(tmp_path):
    """Ten mebibytes: something, a hole of six, something."""
    path = tmp_path / "card.img"
    path.write_bytes(os.urandom(3 << 20) + bytes(6 << 20) + os.urandom(1 << 20))
    return path


@pytest.fixture
def card(tmp_path):
    path = tmp_path / "sdx"
    path.write_bytes(b"\xff" * (SIZE + 12345))
    return path


def test_every_byte_arrives_and_no_more(image, card):
    writer.write(image, card)
    assert card.read_bytes() == image.read_bytes() + b"\xff" * 12345
    assert not writer.interrupted(card)


def test_zeros_that_are_there_are_not_written(image, card, monkeypatch):
    card.write_bytes(bytes(SIZE))
    written, put = [], writer._put
    monkeypatch.setattr(writer, "_put", lambda card, content, place: written.append(len(content)) or put(card, content, place))
    writer.write(image, card)
    assert card.read_bytes() == image.read_bytes() and sum(written) < SIZE


@pytest.mark.parametrize("after", range(1, 6))
def test_interrupted_it_is_said_so_and_no_pi_starts_from_it(image, card, monkeypatch, after):
    left, put = [after], writer._put

    def pull_the_plug(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        put(*arguments)

    monkeypatch.setattr(writer, "_put", pull_the_plug)
    try:
        writer.write(image, card)
    except KeyboardInterrupt:
        assert writer.interrupted(card) and card.read_bytes()[510:512] != b"\x55\xaa"
        monkeypatch.undo()
        writer.write(image, card)
    assert card.read_bytes()[:SIZE] == image.read_bytes() and not writer.interrupted(card)


def test_a_card_that_forgets_is_found_out(image, card, monkeypatch):
    put = writer._put
    monkeypatch.setattr(writer, "_put", lambda card, content, place: put(card, content[:-1] + b"?", place))
    with pytest.raises(OutputError, match="reads back differently near byte"):
        writer.write(image, card)
    assert writer.interrupted(card)


def test_a_card_that_is_too_small_stays_as_it_is(image, card):
    card.write_bytes(b"precious")
    with pytest.raises(OptionError, match="too small"):
        writer.write(image, card)
    assert card.read_bytes() == b"precious"


@pytest.fixture
def loop(tmp_path):
    file = tmp_path / "loop"
    file.write_bytes(b"\xff" * (SIZE + (2 << 20)))
    done = subprocess.run(["losetup", "--find", "--show", file], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("needs root and a free loop device")
    yield done.stdout.strip(), file
    subprocess.run(["losetup", "--detach", done.stdout.strip()], check=True)


def test_a_loop_device(image, loop):
    device, file = loop
    writer.write(image, type(image)(device))
    assert file.read_bytes()[:SIZE] == image.read_bytes()


def test_the_kernel_refuses_a_mounted_device(image, loop, tmp_path):
    device, file = loop
    subprocess.run(["mke2fs", "-q", device], check=True)
    (tmp_path / "mnt").mkdir()
    if subprocess.run(["mount", device, tmp_path / "mnt"], capture_output=True).returncode:
        pytest.skip("needs to mount")
    before = file.read_bytes()
    try:
        with pytest.raises(OutputError, match="could not be written: Device or resource busy"):
            writer.write(image, type(image)(device))
    finally:
        subprocess.run(["umount", device], check=True)
    assert file.read_bytes()[4096:] == before[4096:]


@pytest.mark.usefixtures("wheels")
def test_the_verb_writes_a_card(make_image, tmp_path, monkeypatch, capsys, read):
    card = tmp_path / "sdx"
    card.touch()
    os.truncate(card, 64 << 20)
    found = [Disk(card, "Card Reader", 64 << 20, removable=True)]
    monkeypatch.setattr("edgemask.flash.disks.disks", lambda: found)
    command = ["flash", str(make_image()), "--device", str(card), "--password-hash", "$6$salt$" + "x" * 86]
    assert main(command) == 2 and "nothing was written (--yes answers for you)" in capsys.readouterr().err
    card.write_bytes(writer.MARK + bytes((64 << 20) - len(writer.MARK)))
    assert main([*command, "--yes"]) == 0
    said = capsys.readouterr()
    assert "was interrupted; it is written again" in said.err and "Card Reader" in said.err and "read back 46 MiB" in said.err
    assert "edgemask/firstboot.sh" in read(card) and "http://edgemask.local:8080/?token=" in said.out
