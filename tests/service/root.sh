#!/usr/bin/env bash
# Prints the folder of a Debian bookworm root with systemd and apt's numpy 1.24,
# built once for every version of this script. Needs root, mmdebstrap and the Debian mirror of this machine's apt.
set -euo pipefail
root=${EDGEMASK_CACHE:-${HOME:-/root}/.cache/edgemask}/service-$(sha256sum < "$0" | cut -c1-16)
if [ -d "$root" ]; then echo "$root"; exit; fi

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' | head -n1)
mkdir -p "$(dirname "$root")"
building=$(mktemp -d "$root.XXXX")
trap 'rm -rf "$building"' EXIT

mmdebstrap --quiet --variant=apt --aptopt='Acquire::Retries "5"' --aptopt='Apt::Install-Recommends "false"' \
    --include=systemd-sysv,udev,dbus,python3-pip,python3-venv,python3-numpy,ca-certificates \
    bookworm "$building" "deb $mirror bookworm main" >&2

# pip sees what it sees outside.
cp -L /etc/ssl/certs/ca-certificates.crt "$building/etc/ssl/certs/"
[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$building/etc/"
# Raspberry Pi OS has simplejpeg built against numpy 1.24, which dies beside numpy 2; Debian has none.
chroot "$building" python3 -m pip install -q --break-system-packages --no-deps --target /usr/lib/python3/dist-packages simplejpeg==1.7.2 >&2
chmod 755 "$building"
mv "$building" "$root"
trap - EXIT
echo "$root"
