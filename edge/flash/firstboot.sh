#!/bin/sh
# What the card does once, as root: install edgemask from this folder, start it, tidy up. Interrupted, it begins again
# at the next start; once done, this folder is gone and with it the reason to run.
card=/boot/firmware
here=$card/edgemask
log=$card/edgemask.log
venv=/opt/edgemask

say() { echo "$(date '+%F %T') $1" >> $log; echo "edgemask: $1" > /dev/console; }
led() { for one in /sys/class/leds/ACT /sys/class/leds/led0; do [ ! -e $one ] || echo "$1" > $one/trigger; done; }

# Whatever fails is said with its last words, and is tried again at the next start.
step() {
    say "$1"
    shift
    if ! "$@" >> $log 2>&1; then
        say "FAILED: $*; the lines above in edgemask.log say why; it is tried again at the next start"
        led timer
        sync
        exit 1
    fi
}

from_apt() {
    for pause in 10 20 40 80 0; do
        apt-get -o Acquire::Check-Date=false update \
            && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" && return
        sleep $pause
    done
    echo "apt brings $* only over the network: is the Wi-Fi's name and password right, is a cable in?"
    return 1
}

python_fits() {
    found=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    wanted=$(cat $here/python)
    [ "$found" = "$wanted" ] || { echo "the packages are for Python $wanted and this is $found: flash again"; return 1; }
}

install_packages() {
    python3 -m venv --system-site-packages --without-pip --clear $venv || return
    for pip in $here/wheels/pip-*.whl; do :; done
    $venv/bin/python "$pip/pip" install --no-compile --no-index --find-links $here/wheels $here/wheels/pip-*.whl || return
    for wheel in $here/wheels/edgemask-*.whl; do :; done
    $venv/bin/python -m pip install --no-index --find-links $here/wheels "$wheel[web,mqtt]"
}

configure() {
    install -m 600 $here/edgemask.toml /etc/edgemask.toml || return
    [ ! -e $here/bundle.edgemask ] || install -m 644 $here/bundle.edgemask $venv/bundle.edgemask || return
    $venv/bin/edgemask config check /etc/edgemask.toml
}

# The link stays on the card and on the screen until somebody has opened it.
show_link() {
    echo "$link" > $card/edgemask-link.txt
    mkdir -p /etc/issue.d
    printf 'edgemask: %s\n\n' "$link" > /etc/issue.d/edgemask.issue
    cat > /etc/systemd/system/edgemask-link.service <<UNIT
[Unit]
Description=edgemask: the link was used and need not lie about any more
[Service]
Type=oneshot
ExecStart=/bin/rm -f $card/edgemask-link.txt /etc/issue.d/edgemask.issue
ExecStart=/bin/systemctl disable --now --no-block edgemask-link.path
UNIT
    cat > /etc/systemd/system/edgemask-link.path <<UNIT
[Path]
PathExists=/run/edgemask/page-opened
[Install]
WantedBy=multi-user.target
UNIT
    systemctl daemon-reload && systemctl enable --now edgemask-link.path
}

# Installing again would bring no camera: without a picture the rest is done all the same.
live() {
    for second in $(seq 300); do
        systemctl is-active --quiet edgemask && return
        sleep 1
    done
    $venv/bin/edgemask service logs >> $log
    return 1
}

# Passwords, keys and the token leave the boot partition, which any computer can read.
tidy() {
    for file in user-data network-config; do
        [ ! -e $card/$file ] || printf '#cloud-config\n# used at the first boot, then emptied by edgemask\n' > $card/$file
    done
    systemctl disable edgemask-firstboot.service || return
    rm -rf $here
}

main() {
    led heartbeat
    link=$(cat $here/link.txt)
    step "first boot: this takes some minutes" python_fits
    if [ -s $here/packages ] && ! python3 -c 'import picamera2' 2> /dev/null; then
        step "installing with apt: $(cat $here/packages)" from_apt $(cat $here/packages)
    fi
    step "installing edgemask" install_packages
    step "reading the configuration" configure
    say "asking edgemask doctor"
    $venv/bin/edgemask doctor > $card/edgemask-doctor.txt 2> /dev/null
    step "keeping the link" show_link
    step "starting the service" $venv/bin/edgemask service install --config /etc/edgemask.toml
    if live; then
        step "tidying up" tidy
        say "done: masks are on the web page"
        led default-on
    else
        step "tidying up" tidy
        say "NO PICTURE YET: edgemask-doctor.txt and the lines above say why; edgemask goes on trying"
        led timer
    fi
    echo "edgemask: open $link" > /dev/console
    sync
}

main
exit
