#!/bin/bash
# Boots a real systemd as process 1 of private namespaces, over a throw-away copy of this machine's root: nothing is
# written here, and nothing is left. Needs root, cgroups v2 and overlayfs.
#   boot.sh start FOLDER [FILES]   FOLDER keeps what is needed to go on; FILES is copied over the new root
#   boot.sh exec FOLDER COMMAND…   runs a command inside
#   boot.sh stop FOLDER
# BIND=SOURCE:PLACE, if set, shows a folder of this machine at a place inside, for reading.
set -euo pipefail

action=${1:?start, exec or stop}
state=$(readlink -f "${2:?folder}")
cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
group=$cgroups/harmonix-$(basename "$(dirname "$state")")-$(basename "$state")
environment=(container=harmonix PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 SYSTEMD_PAGER= SYSTEMD_COLORS=0)

inside() {
    nsenter -t "$(cat "$state/init.pid")" -m -u -i -n -p -C -r -w -- env -i "${environment[@]}" "$@"
}

start() {
    mkdir -p "$group"
    mkdir -p "$state/mnt"
    # it joins the group before there is a namespace of groups, so that the group is the root of it
    setsid bash -c 'echo $$ >"$0/cgroup.procs"; exec unshare --mount --pid --fork --uts --ipc --net --cgroup --propagation private "$@"' \
        "$group" bash "$(readlink -f "$0")" prepare "$state" "${1:-}" >"$state/console" 2>&1 </dev/null &
    echo $! >"$state/outer.pid"
    for _ in $(seq 600); do
        pgrep -P "$(cat "$state/outer.pid")" >"$state/init.pid" || true
        if [ -s "$state/init.pid" ]; then
            case $(inside systemctl is-system-running 2>/dev/null || true) in running | degraded) return ;; esac
        fi
        kill -0 "$(cat "$state/outer.pid")" 2>/dev/null || break
        sleep 0.1
    done
    tail -20 "$state/console" >&2
    return 1
}

prepare() {
    local root=$state/mnt/root files=$1 path unit
    # the upper layer must not lie within the lower one
    mount -t tmpfs -o size=4g,mode=755 harmonix "$state/mnt"
    mkdir "$state"/mnt/{upper,work,root}
    mount -t overlay -o "lowerdir=/,upperdir=$state/mnt/upper,workdir=$state/mnt/work" harmonix "$root"
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    # what the kernel has but once stays as it is
    for path in sys sysrq-trigger irq bus; do
        [ -e "$root/proc/$path" ] || continue
        mount --bind "$root/proc/$path" "$root/proc/$path"
        mount -o remount,bind,ro "$root/proc/$path"
    done
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755,nosuid devices "$root/dev"
    for path in null zero full random urandom tty; do
        touch "$root/dev/$path"
        mount --bind "/dev/$path" "$root/dev/$path"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
    mount -t tmpfs -o mode=755,nosuid,nodev run "$root/run"
    mount -t tmpfs -o mode=1777 tmp "$root/tmp"
    hostname harmonix-test
    ip link set lo up 2>/dev/null || true

    unit=$root/etc/systemd/system
    mkdir -p "$unit"
    rm -rf "$unit"/*.wants "$root/etc/machine-id" "$root/var/log/journal" "$root/usr/sbin/policy-rc.d"
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$root/etc/machine-id"
    # nothing of the machine's own: no devices, no network, no terminals
    for path in systemd-{resolved,networkd,timesyncd,udevd,udev-trigger,logind,remount-fs,modules-load,sysctl,random-seed,update-utmp}.service \
        e2scrub_reap.service getty@tty1.service console-getty.service modprobe@.service systemd-journald-audit.socket \
        systemd-udevd-{kernel,control}.socket proc-sys-fs-binfmt_misc.automount dev-{hugepages,mqueue}.mount \
        sys-{kernel-debug,kernel-tracing,fs-fuse-connections}.mount; do
        ln -sfn /dev/null "$unit/$path"
    done
    printf '[Unit]\nRequires=basic.target dbus.socket\nWants=dbus.service\nAfter=basic.target dbus.service\n' >"$unit/test.target"
    : >"$root/etc/fstab"
    [ -z "$files" ] || cp -a "$files/." "$root/"
    if [ -n "${BIND:-}" ]; then
        mkdir -p "$root/${BIND#*:}"
        mount --bind "${BIND%%:*}" "$root/${BIND#*:}"
        mount -o remount,bind,ro "$root/${BIND#*:}"
    fi
    cd "$root"
    mkdir -p .before
    pivot_root . .before
    exec env -i container=harmonix PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb chroot . /bin/sh -c \
        'umount -l /.before; exec setpriv --bounding-set -sys_module,-sys_time,-sys_rawio,-syslog /lib/systemd/systemd --system --unit=test.target --show-status=no' \
        </dev/null
}

stop() {
    local init
    init=$(cat "$state/init.pid")
    kill -s RTMIN+4 "$init" 2>/dev/null || true
    for _ in $(seq 100); do
        [ -d "/proc/$init" ] || break
        sleep 0.1
    done
    [ ! -d "/proc/$init" ] || kill -9 "$init"
    for _ in $(seq 50); do
        find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
        [ -d "$group" ] || break
        sleep 0.1
    done
}

shift 2
case $action in
start) start "$@" ;;
prepare) prepare "$@" ;;
exec) inside "$@" ;;
stop) stop ;;
*) exit 2 ;;
esac
