"""The systemd unit of a live run."""

import re
import sys
from pathlib import Path

from edgemask.errors import OptionError

UNIT = Path("/etc/systemd/system/edgemask.service")

# %d is where systemd puts a copy of the configuration that only the service can read, so that the file itself may be
# root's alone: it can hold passwords. /proc/cpuinfo must be seen (no ProcSubset=pid): LiteRT chooses its kernels by it.
# libcamera listens to udev over netlink. Bookworm's systemd 252 does not know RestartSteps yet and waits RestartSec.
TEXT = """\
[Unit]
Description=edgemask: instance masks from a live camera
{after}StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
{wait}ExecStart={python} -m edgemask run --config %d/edgemask.toml
LoadCredential=edgemask.toml:{config}
User={user}
DynamicUser=yes
SupplementaryGroups=video render
StateDirectory=edgemask
RuntimeDirectory=edgemask
WorkingDirectory=%S/edgemask
Environment=HOME=%S/edgemask
StandardOutput=null
TimeoutStartSec=150
WatchdogSec={patience}
Restart=always
RestartSec=5
RestartSteps=5
RestartMaxDelaySec=60

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
DevicePolicy=closed
DeviceAllow=char-video4linux rw
DeviceAllow=char-media rw
DeviceAllow=char-dma_heap rw
DeviceAllow=char-drm rw
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0027

[Install]
WantedBy=multi-user.target
"""


def unit(config: Path, source: str, fps: float | None = None, user: str = "edgemask") -> str:
    """The unit that runs a configuration (an absolute path) whose source and fps are these, as `user`.

    Raises OptionError for a user name or a place that systemd cannot take.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", user):
        raise OptionError(f"{user!r} is not a user name")
    python = Path(sys.executable)
    for path in (python, config):
        if not re.fullmatch(r"[\w./+-]+", str(path)):
            raise OptionError(f"{path}: systemd wants a path of letters, digits and . _ + - /")
    home = "read-only" if {"home", "root"} & {*python.parts[1:2]} else "yes"
    patience = max(60, round(3 / fps) if fps else 0)
    return TEXT.format(
        user=user, python=python, config=config, home=home, patience=patience, wait=_wait(source), after=_after(source)
    )


def _after(source):
    network = "://" in source
    return "Wants=network-online.target\nAfter=network-online.target\n" * network


def _wait(source):
    """A line that waits until udev has set the camera up; a Pi's own cameras begin with /dev/video0."""
    found = re.fullmatch(r"picamera2(?::\d+)?|(?P<index>\d+)|(?P<path>/dev/.+)", source)
    if not found:
        return ""
    device = found["path"] or f"/dev/video{found['index'] or 0}"
    return f"ExecStartPre=-/usr/bin/udevadm wait --timeout=60 {device}\n"
