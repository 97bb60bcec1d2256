"""A customised image, looked at from the outside."""

import hashlib
import json
import lzma
import shutil
import subprocess
import zipfile

import pytest

from edgemask.cli import main

pytestmark = pytest.mark.usefixtures("wheels")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHzqDyjLZSGmK0cdXkTvyHKbFAnVnkJcwdOYEx1PAWpp me@here"
HASH = "$6$salt$" + "x" * 86


@pytest.fixture
def flash(tmp_path, capsys):
    """`flash(image, …)` makes card.img; (its exit code, the path, what was said)."""
    (tmp_path / "key.pub").write_text(KEY + "\n")
    (tmp_path / "wifi").write_text("correct horse\n")

    def run(image, *arguments):
        card = tmp_path / "card.img"
        code = main(["flash", str(image), "-o", str(card), "--ssh-key", str(tmp_path / "key.pub"), *map(str, arguments)])
        said = capsys.readouterr()
        return code, card, said.out + said.err

    return run


def cloud(files, name):
    return json.loads(files[name].decode().removeprefix("#cloud-config\n"))


def test_an_image_with_cloud_init(flash, make_image, read, tmp_path):
    code, card, said = flash(make_image(), "--hostname", "gate-2", "--user", "maria", "--wifi", 'Café "2"', "--country", "de",
                             "--wifi-password-file", tmp_path / "wifi", "--timezone", "Europe/Berlin")  # fmt: skip
    assert code == 0, said
    files = read(card)
    user = cloud(files, "user-data")
    assert user["hostname"] == "gate-2" and user["timezone"] == "Europe/Berlin"
    assert user["user"]["name"] == "maria" and user["user"]["ssh_authorized_keys"] == [KEY] and "users" not in user
    instance = cloud(files, "meta-data")["instance-id"]
    line = files["cmdline.txt"].decode()
    assert line.split()[-1] == f"ds=nocloud;i={instance}" and "root=PARTUUID=0123-02" in line and line.count("\n") == 1
    wlan = cloud(files, "network-config")["network"]["wifis"]["wlan0"]
    assert wlan["regulatory-domain"] == "DE" and len(wlan["access-points"]['Café "2"']["password"]) == 64
    assert b"correct horse" not in b"".join(files.values())
    assert user["packages"] == ["python3-picamera2"] and "needs the internet once" in said
    token = files["edgemask/link.txt"].decode().partition("token=")[2].strip()
    assert f'public = "{token}"' in files["edgemask/edgemask.toml"].decode() and len(token) > 20
    assert f"http://gate-2.local:8080/?token={token}" in said
    assert files["edgemask/wheels/pip-1-py3-none-any.whl"] == b"pip-1-py3-none-any.whl"
    assert "firstrun.sh" not in files


def test_an_image_without_cloud_init(flash, make_image, read, tmp_path):
    image = make_image("bookworm", "3.11", cloud_init=False, picamera2=True)
    code, card, said = flash(image, "--password-hash", HASH, "--wifi", "Home", "--country", "FR",
                             "--wifi-password-file", tmp_path / "wifi")  # fmt: skip
    assert code == 0 and "bookworm, Python 3.11, firstrun.sh, with Picamera2" in said, said
    files = read(card)
    assert "user-data" not in files and "internet" not in said and files["edgemask/packages"] == b""
    assert files["edgemask/python"] == b"3.11"
    assert "systemd.run=/boot/firmware/firstrun.sh" in files["cmdline.txt"].decode()
    script = files["firstrun.sh"].decode()
    assert f"userconf pi '{HASH}'" in script and KEY in script and "do_wifi_country 'FR'" in script
    assert "@" not in script.replace("me@here", "")
    assert subprocess.run(["sh", "-n"], input=files["firstrun.sh"]).returncode == 0


def test_what_the_desktop_image_has_is_not_asked_of_apt(flash, make_image, read):
    _, card, said = flash(make_image(picamera2=True))
    assert "packages" not in cloud(read(card), "user-data") and "internet" not in said


def test_the_file_system_is_left_sound(flash, make_image, tmp_path):
    if not shutil.which("fsck.vfat"):
        pytest.skip("needs fsck.vfat, which is in dosfstools")
    _, card, _ = flash(make_image())
    (tmp_path / "boot.fat").write_bytes(card.read_bytes()[4 << 20 : 38 << 20])
    done = subprocess.run(["fsck.vfat", "-n", tmp_path / "boot.fat"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_packed_images_and_their_checksum(flash, make_image, read, tmp_path):
    image = make_image()
    packed, zipped = tmp_path / "a.img.xz", tmp_path / "a.zip"
    packed.write_bytes(lzma.compress(image.read_bytes(), preset=0))
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(image, "a.img")
    for source in (packed, zipped):
        code, card, said = flash(source, "--sha256", hashlib.sha256(source.read_bytes()).hexdigest())
        assert code == 0 and "edgemask/firstboot.sh" in read(card), said
        assert card.stat().st_size == image.stat().st_size and card.stat().st_blocks * 512 < image.stat().st_size / 2
        assert card.read_bytes()[38 << 20 :] == image.read_bytes()[38 << 20 :]
        card.unlink()
    packed.write_bytes(packed.read_bytes()[:-100])
    assert flash(packed)[0] == 2
    assert "download it again" in flash(packed, "--sha256", "0" * 64)[2]
    assert not (tmp_path / "card.img").exists() and not list(tmp_path.glob(".*.part*"))


def test_a_configuration_and_a_bundle_of_ones_own(flash, make_image, read, tmp_path):
    from edgemask.bundle import SHIPPED

    config = tmp_path / "live.toml"
    config.write_text('source = "0"\nfps = 2\n')
    code, card, said = flash(make_image(), "--config", config, "--bundle", SHIPPED)
    files = read(card)
    assert code == 0 and "internet" not in said and files["edgemask/bundle.edgemask"] == SHIPPED.read_bytes()
    ours = 'bundle = "/opt/edgemask/bundle.edgemask"\n'
    assert files["edgemask/edgemask.toml"].decode().endswith(ours + 'source = "0"\nfps = 2\n')


def test_what_raspberry_pi_imager_takes(tmp_path, capsys):
    (tmp_path / "key.pub").write_text(KEY)
    folder = tmp_path / "for-imager"
    assert main(["flash", "--user-data-only", str(folder), "--ssh-key", str(tmp_path / "key.pub")]) == 0
    said = capsys.readouterr().out
    assert f"rpi-imager --cli --cloudinit-userdata {folder}/user-data --cloudinit-networkconfig {folder}/network-config" in said
    assert f"copy the folder {folder}/edgemask" in said
    assert {path.name for path in folder.iterdir()} == {"user-data", "network-config", "meta-data", "edgemask"}
    assert (folder / "edgemask" / "firstboot.sh").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--wifi", "Home"], "--wifi needs --country"),
        (["--wifi", "Home", "--country", "Germany", "--wifi-password-file", "wifi"], "'GERMANY' is not two letters"),
        (["--hostname", "my pi"], "--hostname 'my pi' is not a name"),
        (["--user", "root"], "--user 'root' is not a name"),
        (["--password-hash", "secret"], "--password-hash is not a hash: openssl passwd -6"),
        (["--timezone", "Mars"], "--timezone 'Mars' is not a time zone"),
        (["--ssh-key", "wifi"], "is not a public SSH key"),
        (["--config", "web.toml"], "web.toml: web is set by flash itself, take it out"),
        (["--config", "typo.toml"], "no entry is called 'sorce'; is it 'source'?"),
        (["--bundle", "wifi"], "wifi"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_sentence(flash, make_image, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.toml").write_text('source = "0"\nweb = true\n')
    (tmp_path / "typo.toml").write_text('sorce = "0"\n')
    code, card, said = flash(make_image(), *arguments)
    assert code == 2 and sentence in said.splitlines()[-1] and not card.exists(), said


@pytest.mark.parametrize("wrong", ["missing", "text", "32-bit", "no partitions"])
def test_what_is_no_raspberry_pi_os_is_refused(flash, make_image, tmp_path, wrong):
    image = make_image(lib="arm-linux-gnueabihf") if wrong == "32-bit" else tmp_path / f"{wrong}.img"
    if wrong == "text":
        image.write_text("hello")
    elif wrong == "no partitions":
        image.write_bytes(bytes(510) + b"\x55\xaa")
    code, card, said = flash(image)
    assert code == 2 and str(image.name) in said and len(said.splitlines()) == 1 and not card.exists(), said
