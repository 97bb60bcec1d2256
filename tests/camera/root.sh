#!/usr/bin/env bash
# Prints the folder of a Debian trixie root with libcamera's virtual pipeline and the real Picamera2,
# built once for every version of this script. Needs root, mmdebstrap and the Debian mirror of this machine's apt.
set -euo pipefail
root=${EDGEMASK_CACHE:-${HOME:-/root}/.cache/edgemask}/camera-$(sha256sum < "$0" | cut -c1-16)
if [ -d "$root" ]; then echo "$root"; exit; fi

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' | head -n1)
mkdir -p "$(dirname "$root")"
building=$(mktemp -d "$root.XXXX")
trap 'rm -rf "$building"' EXIT

# libcamera before 0.7.1 never sets the virtual pipeline's buffer status, and Picamera2 drops every frame.
# gcc and the headers are for PiDNG, which Picamera2 imports and PyPI has as source only.
mmdebstrap --quiet --variant=apt --aptopt='Acquire::Retries "5"' --aptopt='Apt::Install-Recommends "false"' \
    --include=python3-pip,python3-venv,python3-numpy,python3-prctl,python3-piexif,python3-jsonschema,python3-pil \
    --include=python3-tqdm,python3-av,python3-libarchive-c,ca-certificates,gcc,libc6-dev,python3-dev,libcap-dev \
    --include=systemd-sysv,udev,dbus \
    --include=python3-libcamera/trixie-backports,libcamera-ipa/trixie-backports,libcamera0.7/trixie-backports \
    trixie "$building" "deb $mirror trixie main" "deb $mirror trixie-backports main" >&2

# pip sees what it sees outside.
cp -L /etc/ssl/certs/ca-certificates.crt "$building/etc/ssl/certs/"
[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$building/etc/"
# Debian has no python3-picamera2: PyPI's goes where apt's would, out of the reach of a virtual environment's pip.
chroot "$building" python3 -m pip install -q --break-system-packages picamera2==0.3.38 >&2
# The sensor is described by whoever binds a folder to /srv.
ln -sf /srv/virtual.yaml "$building/usr/share/libcamera/pipeline/virtual/virtual.yaml"
chmod 755 "$building"
mv "$building" "$root"
trap - EXIT
echo "$root"
