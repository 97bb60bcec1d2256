#!/bin/sh
# The first start of an image without cloud-init: systemd runs this alone, then starts again.
# After Raspberry Pi Imager's firstrun.sh, https://github.com/raspberrypi/rpi-imager.
card=/boot/firmware
exec >> $card/edgemask.log 2>&1
echo "edgemask: name, user, network"

old=$(cat /etc/hostname)
echo @HOSTNAME@ > /etc/hostname
sed -i "s/127\.0\.1\.1.*$old/127.0.1.1\t@HOSTNAME@/" /etc/hosts
ln -sf /usr/share/zoneinfo/@TIMEZONE@ /etc/localtime
echo @TIMEZONE@ > /etc/timezone

if [ -x /usr/lib/userconf-pi/userconf ]; then
    /usr/lib/userconf-pi/userconf @USER@ '@HASH@'
else
    id @USER@ > /dev/null 2>&1 || useradd --create-home --shell /bin/bash @USER@
    [ -z '@HASH@' ] || echo '@USER@:@HASH@' | chpasswd --encrypted
fi
for group in sudo adm dialout audio video plugdev input render netdev gpio spi i2c; do
    usermod --append --groups $group @USER@ 2> /dev/null
done
if [ -z '@HASH@' ]; then
    echo '@USER@ ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/010_edgemask
    chmod 440 /etc/sudoers.d/010_edgemask
fi
if [ -n '@KEYS@' ]; then
    home=$(getent passwd @USER@ | cut -d: -f6)
    install -d -m 700 -o @USER@ -g @USER@ "$home/.ssh"
    echo '@KEYS@' > "$home/.ssh/authorized_keys"
    chown @USER@: "$home/.ssh/authorized_keys"
    chmod 600 "$home/.ssh/authorized_keys"
    echo 'PasswordAuthentication no' > /etc/ssh/sshd_config.d/edgemask.conf
fi
systemctl enable ssh

if [ -n '@COUNTRY@' ]; then
    raspi-config nonint do_wifi_country '@COUNTRY@'
    rfkill unblock wifi
    connections=/etc/NetworkManager/system-connections
    install -d $connections
    (umask 077 && echo '@CONNECTION@' | base64 -d > $connections/edgemask.nmconnection)
fi

cat > /etc/systemd/system/@UNIT@ <<'UNIT'
@UNIT_TEXT@UNIT
systemctl enable @UNIT@

rm -f $card/firstrun.sh
sed -i 's| systemd\.[^ ]*||g' $card/cmdline.txt
sync
exit 0
