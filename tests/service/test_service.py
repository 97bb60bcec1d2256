"""The service started for real: systemd as PID 1, the unit that `service install` writes, its watchdog."""

import json

import pytest

pytestmark = pytest.mark.service

CONFIG = """
source = "{source}"
paced = {paced}
jsonl = ["masks.jsonl", "unix:/run/edgemask/records.sock"]
threads = 1
web = true
"""
EDGEMASK = "/opt/edgemask/bin/edgemask"
# The virtual camera has no /dev/video0 to wait for, and comes by a module of the tests.
VIRTUAL = "[Service]\nExecStartPre=\nEnvironment=PYTHONPATH=/srv/virtual VIRTUAL_FPS=10\n"


@pytest.fixture(scope="module", autouse=True)
def installed(machine):
    """The service installed from a configuration that root alone may read."""
    config = CONFIG.format(source=machine.source, paced=str("clip" in machine.source).lower())
    machine("sh", "-c", f"umask 077; echo '{config}' > /etc/edgemask.toml")
    if machine.source == "picamera2":
        drop_in(machine, "virtual", VIRTUAL)
    done = machine(EDGEMASK, "service", "install", "--config", "/etc/edgemask.toml")
    assert done.returncode == 0 and "edgemask.service runs /etc/edgemask.toml now" in done.stdout, done.stderr
    yield
    assert machine("systemctl", "is-active", "edgemask").stdout.strip() == "active"
    done = machine(EDGEMASK, "service", "remove")
    assert done.returncode == 0 and "stopped and removed" in done.stdout
    assert machine("systemctl", "status", "edgemask").returncode == 4  # no such unit
    assert "nothing to remove" in machine(EDGEMASK, "service", "remove").stderr


def drop_in(machine, name, text):
    """What `systemctl edit` writes."""
    folder = "/etc/systemd/system/edgemask.service.d"
    machine("sh", "-c", f"mkdir -p {folder} && printf '%s' '{text}' > {folder}/{name}.conf")


def active(machine, not_pid="0"):
    """Wait until systemd has heard of the first frame; the process's id."""
    machine.wait(lambda: machine.show("ActiveState") == "active" and machine.show("MainPID") not in ("0", not_pid))
    return machine.show("MainPID")


def test_it_runs_and_records(machine):
    active(machine)
    count = "wc -l < /var/lib/edgemask/masks.jsonl"
    machine.wait(lambda: int(machine("sh", "-c", count).stdout or 0) > 20)
    first = json.loads(machine("head", "-n1", "/var/lib/edgemask/masks.jsonl").stdout)
    assert first["schema"] == "edgemask.frame/1" and first["source"].partition(":")[0] in machine.source
    assert machine("test", "-S", "/run/edgemask/records.sock").returncode == 0
    machine.wait(lambda: "in sight" in machine.show("StatusText"))
    assert machine("systemctl", "is-enabled", "edgemask").stdout.strip() == "enabled"
    health = "import urllib.request as it; print(it.urlopen('http://127.0.0.1:8000/healthz').status)"
    assert machine("/opt/edgemask/bin/python", "-c", health).stdout == "200\n"


def test_it_has_no_more_rights_than_it_needs(machine):
    pid = active(machine)
    status = dict(line.split(":\t", 1) for line in machine("cat", f"/proc/{pid}/status").stdout.splitlines() if ":\t" in line)
    ids = {name: machine("getent", "group", name).stdout.split(":")[2] for name in ("video", "render")}
    assert set(ids.values()) <= set(status["Groups"].split()) and "0" not in status["Uid"].split()
    assert int(status["CapEff"], 16) == 0 and int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    mounts = {fields[4]: fields[5] for fields in map(str.split, machine("cat", f"/proc/{pid}/mountinfo").stdout.splitlines())}
    assert all("ro" in mounts[place].split(",") for place in ("/", "/run/credentials/edgemask.service"))
    assert "rw" in mounts["/var/lib/private/edgemask"].split(",")
    assert machine("stat", "-c", "%a", "/etc/edgemask.toml").stdout.strip() == "600"


def test_systemd_finds_the_unit_sound_and_tight(machine):
    unit = "/etc/systemd/system/edgemask.service"
    verified = machine("systemd-analyze", "verify", unit)
    # Bookworm's systemd is older than these two.
    said = [line for line in verified.stderr.splitlines() if "RestartSteps" not in line and "RestartMaxDelaySec" not in line]
    assert verified.returncode == 0 and not said
    judged = machine("systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", unit)
    assert judged.returncode == 0, judged.stdout
    print(judged.stdout.splitlines()[-1])


def test_killed_it_comes_back(machine):
    pid, restarts = active(machine), int(machine.show("NRestarts"))
    machine("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "edgemask")
    assert active(machine, pid) != pid
    assert int(machine.show("NRestarts")) > restarts
    assert "code=killed, status=9/KILL" in machine(EDGEMASK, "service", "logs").stdout


def test_hung_it_is_killed_by_the_watchdog_and_comes_back(machine):
    assert machine.show("WatchdogUSec") == "1min"
    drop_in(machine, "patience", "[Service]\nWatchdogSec=6\n")
    machine("systemctl", "daemon-reload")
    machine("systemctl", "restart", "edgemask")
    pid = active(machine)
    at = machine.show("WatchdogTimestampMonotonic")
    machine.wait(lambda: machine.show("WatchdogTimestampMonotonic") != at)  # it is fed while frames come
    machine("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "edgemask")
    assert active(machine, pid) != pid
    logs = machine(EDGEMASK, "service", "logs")
    assert logs.returncode == 0 and "Watchdog timeout (limit 6s)!" in logs.stdout
    status = machine(EDGEMASK, "service", "status")
    assert status.returncode == 0 and "active (running)" in status.stdout and "in sight" in status.stdout


def test_a_configuration_that_is_wrong_is_not_installed(machine):
    machine("sh", "-c", "echo 'sorce = 0' > /srv/wrong.toml")
    done = machine(EDGEMASK, "service", "install", "--config", "/srv/wrong.toml")
    assert done.returncode == 2 and "/srv/wrong.toml: no entry is called 'sorce'; is it 'source'?" in done.stderr
