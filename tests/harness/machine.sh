#!/usr/bin/env bash
# Boots systemd as PID 1 of its own pid, mount, uts, ipc, cgroup and network namespace, on a copy-on-write view
# of this machine's own root: what is installed here is there too, at the same paths, and what is written there
# is gone when it ends. `machine.py` calls it.
#
#   machine.sh ROOT DIR GROUP SHOWN …
#
# ROOT is `/`, or a directory with another system.
# DIR/shared is the one directory that both see, at the same path. GROUP is an empty group of cgroup2's hierarchy.
# SHOWN are directories that must be seen there, also when they lie on another file system; read-only then.
# It stays in the foreground and ends with its caller, however that ends.
set -euo pipefail

# Units of the hardware, of the host's boot, of a person at a console; and what takes time and serves no test.
MASKED=(
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount
  sys-kernel-config.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount
  proc-sys-fs-binfmt_misc.mount systemd-ask-password-console.path systemd-ask-password-wall.path
  systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-journald-audit.socket
  getty.target timers.target tmp.mount ldconfig.service kmod-static-nodes.service
  systemd-{remount-fs,sysctl,modules-load,udevd,udev-trigger,timesyncd,random-seed,hwdb-update}.service
  systemd-{binfmt,update-utmp,update-utmp-runlevel,firstboot,sysusers,machine-id-commit,pstore}.service
  systemd-{boot-system-token,journal-flush,journal-catalog-update,update-done}.service
  systemd-{tmpfiles-setup-dev,pcrphase,pcrphase-sysinit}.service
)

hold() {
  # The caller's end ends unshare, unshare's end ends PID 1, and with PID 1 everything goes.
  exec setpriv --pdeathsig KILL \
    unshare --fork --kill-child=KILL --pid --mount --uts --ipc --net --propagation private \
    bash "$0" boot "$@"
}

boot() {
  lower=$1 dir=$2 group=$3
  shift 3
  top=$dir/top root=$dir/top/root
  # Before the cgroup namespace is made: it begins where its maker is.
  echo 0 >"$group/cgroup.procs"
  mount -t tmpfs -o mode=755 machine "$top"
  mkdir "$top/upper" "$top/work" "$root"
  mount -t overlay -o "lowerdir=$lower,upperdir=$top/upper,workdir=$top/work" machine "$root"
  kernel
  devices
  units
  identity
  show "$@"
  export dir root
  exec unshare --cgroup bash -euc '
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
    cd "$root"
    mkdir -p .old
    pivot_root . .old
    umount -l /.old
    rmdir /.old
    touch "$dir/shared/pid1"
    # $container: it leaves the clock, the modules and the rest of the hardware alone.
    exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
      /lib/systemd/systemd --system --log-target=journal --show-status=no
  '
}

kernel() {
  mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
  # Most of what is set there is set for the whole kernel; not what is the network namespace's.
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
  mount -o remount,bind,rw "$root/proc/sys/net"
  [ ! -e /proc/sysrq-trigger ] || mount --bind /dev/null "$root/proc/sysrq-trigger"
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
}

devices() {
  local node link
  mount -t tmpfs -o mode=755,nosuid dev "$root/dev"
  for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev shm "$root/dev/shm"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  for link in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${link%:*}" "$root/dev/${link#*:}"
  done
  mount -t tmpfs -o mode=755,nosuid,nodev run "$root/run"
}

units() {
  local unit
  # None that this machine has enabled.
  mount -t tmpfs -o mode=755 units "$root/etc/systemd/system"
  for unit in "${MASKED[@]}"; do
    ln -s /dev/null "$root/etc/systemd/system/$unit"
  done
  printf '[Unit]\nRequires=basic.target\nWants=dbus.service\nAfter=basic.target dbus.service\n' \
    >"$root/etc/systemd/system/default.target"
}

identity() {
  # Debian clears /tmp at boot; here it is this machine's, seen copy-on-write, with all that is in it.
  mkdir -p "$root/etc/tmpfiles.d"
  ln -sf /dev/null "$root/etc/tmpfiles.d/tmp.conf"
  : >"$root/etc/fstab"
  echo machine >"$root/etc/hostname"
  printf '127.0.0.1 localhost machine\n::1 localhost\n' >"$root/etc/hosts"
}

show() {
  local place
  mkdir -p "$root$dir/shared"
  mount --bind "$dir/shared" "$root$dir/shared"
  for place in "$@"; do
    [ ! -e "$root$place" ] || [ "$(stat -c %d "$place")" != "$(stat -c %d "$lower")" ] || continue
    mkdir -p "$root$place"
    mount --bind "$place" "$root$place"
    mount -o remount,bind,ro "$root$place"
  done
}

if [ "$1" = boot ]; then
  shift
  boot "$@"
fi
hold "$@"
