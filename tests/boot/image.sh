#!/usr/bin/env bash
# Prints the folder with a stand-in for Raspberry Pi OS Lite (Trixie, cloud-init) made of Debian's packages: vendor.img,
# and the kernel that QEMU starts in the firmware's place. Built once for every version of this script.
# Needs root, mmdebstrap, qemu-user-static, arch-test, mtools, dosfstools, e2fsprogs, fdisk, and this machine's Debian mirror.
set -euo pipefail
folder=${EDGEMASK_CACHE:-${HOME:-/root}/.cache/edgemask}/boot-$(sha256sum < "$0" | cut -c1-16)
if [ -d "$folder" ]; then echo "$folder"; exit; fi

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' | head -n1)
mkdir -p "$(dirname "$folder")"
building=$(mktemp -d "$folder.XXXX")
trap 'rm -rf "$building"' EXIT
root=$building/root

id=0edee001  # of the disk, by which Raspberry Pi OS, too, finds its partitions
# arm64 programs run under QEMU while packages are configured. As a processor without pointer authentication: checking
# it in emulation takes six times as long.
export QEMU_CPU=cortex-a72 MTOOLS_SKIP_CHECK=1
binfmt=/proc/sys/fs/binfmt_misc
mountpoint -q $binfmt || mount -t binfmt_misc binfmt_misc $binfmt
[ -e $binfmt/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf > $binfmt/register

# What takes minutes in emulation and gives nothing here is left out: the initrd (this kernel has NVMe and ext4 built in)
# and compiled modules, for which an empty program stands in until the end.
compile=/usr/bin/py3compile
mmdebstrap --quiet --arch=arm64 --variant=apt \
    --include=systemd-sysv,udev,dbus,kmod,linux-image-cloud-arm64,cloud-init,netplan.io,iproute2 \
    --include=openssh-server,sudo,python3-numpy \
    --aptopt='Acquire::Retries "5"' --aptopt='Apt::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/etc/kernel/postinst.d/initramfs-tools' --dpkgopt="path-exclude=$compile" \
    --essential-hook="ln -s /bin/true \"\$1$compile\"" \
    trixie "$root" "deb $mirror trixie main" >&2

# What Raspberry Pi OS adds: https://github.com/RPi-Distro/pi-gen, stages 1 and 2.
printf 'PARTUUID=%s / ext4 defaults,noatime 0 1\nPARTUUID=%s /boot/firmware vfat defaults 0 2\n' $id-02 $id-01 > "$root/etc/fstab"
echo raspberrypi > "$root/etc/hostname"
printf '127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n' > "$root/etc/hosts"
cat > "$root/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg" <<'CFG'
datasource_list: [NoCloud, None]
datasource:
  NoCloud:
    seedfrom: file:///boot/firmware
ssh_deletekeys: false
ssh_genkeytypes: []
CFG
mkdir -p "$root/etc/systemd/system/cloud-init-local.service.d" "$root/boot/firmware"
printf '[Unit]\nRequiresMountsFor=/boot/firmware\n' > "$root/etc/systemd/system/cloud-init-local.service.d/firmware.conf"
# NetworkManager brings up any cable there; networkd does here, also without cloud-init.
printf '[Match]\nName=eth0\n[Network]\nDHCP=yes\n' > "$root/etc/systemd/network/99-cable.network"
ln -s /usr/lib/systemd/system/systemd-networkd.service "$root/etc/systemd/system/multi-user.target.wants/"
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/* "$root/etc/machine-id"
touch "$root/etc/machine-id"
cp "$root"/boot/vmlinuz-* "$building/vmlinuz"

boot=512 card=$(( $(du -sm "$root" | cut -f1) * 115 / 100 + 700 ))
truncate -s ${boot}M "$building/boot.fat"
mkfs.vfat -F 32 -n bootfs "$building/boot.fat" > /dev/null
echo "console=serial0,115200 console=tty1 root=PARTUUID=$id-02 rootfstype=ext4 rootwait quiet" > "$building/cmdline.txt"
printf 'Raspberry Pi reference 2026-06-18\nA stand-in made of Debian packages, stage2\n' > "$building/issue.txt"
printf '#cloud-config\n' > "$building/user-data"
printf 'instance-id: rpios-image\n' > "$building/meta-data"
printf '# no network\n' > "$building/network-config"
touch "$building/config.txt"
mcopy -i "$building/boot.fat" "$building"/{cmdline.txt,issue.txt,user-data,meta-data,network-config,config.txt} ::/
truncate -s ${card}M "$building/root.ext4"
mke2fs -q -t ext4 -L rootfs -d "$root" "$building/root.ext4"

truncate -s $(( 8 + boot + card ))M "$building/vendor.img"
printf 'label: dos\nlabel-id: 0x%s\nstart=16384, size=%d, type=c\nstart=%d, size=%d, type=83\n' \
    $id $(( boot * 2048 )) $(( 16384 + boot * 2048 )) $(( card * 2048 )) | sfdisk -q "$building/vendor.img"
dd if="$building/boot.fat" of="$building/vendor.img" bs=1M seek=8 conv=notrunc,sparse status=none
dd if="$building/root.ext4" of="$building/vendor.img" bs=1M seek=$(( 8 + boot )) conv=notrunc,sparse status=none

rm -rf "$root" "$building"/{boot.fat,root.ext4,cmdline.txt,issue.txt,user-data,meta-data,network-config,config.txt}
mv "$building" "$folder"
trap - EXIT
echo "$folder"
