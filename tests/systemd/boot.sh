#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside new namespaces, as their first process: becomes systemd on a copy-on-write view of this
# machine's root. It runs probe.py and ends. Arguments: the wakeline program, the folder of units,
# an empty folder for what comes of it, and the tests to run (all).
set -eu
program=$1 units=$2 out=$3 only=${4:-}
here=$(dirname "$0")

mount --make-rprivate /
mkdir "$out/mnt"
mount -t tmpfs tmpfs "$out/mnt"
mkdir "$out/mnt/upper" "$out/mnt/work" "$out/mnt/root"
root=$out/mnt/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$out/mnt/upper,workdir=$out/mnt/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  touch "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm"
mkdir -p "$root/result"
mount --bind "$out" "$root/result"

cp "$program" "$root/usr/bin/wakeline"
cp "$here/probe.py" "$here/echo_app.py" "$root/usr/lib/"
cp "$units/wakeline-host@.service" "$units/wakeline-server.service" "$root/usr/lib/systemd/system/"
cp "$units/wakeline-host.service" "$root/usr/lib/systemd/user/"
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
echo 'waker:x:1234:1234::/home/waker:/bin/sh' >> "$root/etc/passwd"
echo 'waker:x:1234:' >> "$root/etc/group"
echo 'waker:!:19000::::::' >> "$root/etc/shadow"
mkdir -p "$root/home/waker"
chown 1234:1234 "$root/home/waker"

# Of this machine's own units nothing runs but the buses and the sessions of users.
rm -rf "$root"/etc/systemd/system/*.wants
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket \
  systemd-udevd-kernel.socket systemd-firstboot.service systemd-hwdb-update.service \
  systemd-sysusers.service systemd-resolved.service ldconfig.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
cat > "$root/usr/lib/systemd/system/probe.service" << END
[Unit]
Requires=dbus.socket
After=dbus.socket basic.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -B -u /usr/lib/probe.py $only
StandardOutput=append:/result/probe.log
StandardError=append:/result/probe.log
TimeoutStartSec=150
END
printf '[Unit]\nRequires=basic.target probe.service\n' > "$root/usr/lib/systemd/system/probe.target"

cd "$root"
exec chroot . /usr/bin/env -i container=wakeline PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=probe.target --log-target=console --show-status=no
