#!/bin/sh
# machine: a Debian system of its own on this machine: a fresh layer over LOWER, in namespaces, with a network that has
# loopback and nothing else.  Ends when its standard input does, and leaves nothing.
#
#   machine.sh LOWER SCRATCH SHARED COMMAND...     as root
#
# SCRATCH is an empty folder to mount things on; SHARED is seen as /run/host.  COMMAND is process 1.  Says "child PID" (the
# parent of process 1, here) and "ready", then what COMMAND says.  machine.py is the one who calls.
set -eu

outside() { # a mount namespace of our own: what is mounted goes with us
  lower=$1 scratch=$2 shared=$3
  shift 3
  mount -t tmpfs -o mode=755 tmpfs "$scratch"
  mkdir "$scratch/groups" "$scratch/root" "$scratch/upper" "$scratch/work"
  mount -t cgroup2 cgroup2 "$scratch/groups"
  group=$scratch/groups$(sed -n 's/^0:://p' /proc/self/cgroup)/lastword-machine.$$
  mkdir "$group"
  mount -t overlay -o "lowerdir=$lower,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$scratch/root"
  sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" \
    unshare --pid --fork --kill-child --mount --cgroup --uts --ipc --net --propagation private \
    sh "$0" --inside "$scratch/root" "$shared" "$@" </dev/null &
  child=$!
  echo "child $child"
  cat >/dev/null
  first=$(cat "/proc/$child/task/$child/children" 2>/dev/null || :) # process 1, which takes all others along
  kill -KILL "${first:-$child}" 2>/dev/null || :
  wait "$child" || :
  find "$group" -depth -type d -exec rmdir {} \;
}

inside() { # all namespaces of its own; becomes process 1
  root=$1 shared=$2
  shift 2
  /usr/bin/python3 -c 'import fcntl, socket, struct
at = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(at, 0x8914, struct.pack("16sh14x", b"lo", 0x41))' # SIOCSIFFLAGS: up, running
  hostname machine
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys" # it is the kernel of all
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
  for node in null zero full random urandom tty; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mkdir "$root/run/host" "$root/run/before"
  mount --bind "$shared" "$root/run/host"
  cd "$root"
  pivot_root . run/before
  umount -l run/before
  echo ready
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 container=lastword NOTIFY_SOCKET=/run/host/notify \
    setpriv --bounding-set=-sys_boot,-sys_module,-sys_rawio,-sys_time "$@"
}

case $1 in
  --outside) shift && outside "$@" ;;
  --inside) shift && inside "$@" ;;
  *) exec unshare --mount --propagation private sh "$0" --outside "$@" ;;
esac
