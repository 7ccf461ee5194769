# SPDX-License-Identifier: Apache-2.0
"""A machine to install packages on: this one's root file system under an overlay, with a systemd of its own.

What is done in it goes to memory and is gone with it. It has mount, PID, UTS, IPC and cgroup namespaces of its own and
the network namespace that it is given. Of the units that every boot starts it has none but the journal: they are for a
whole machine (udev, sysctl, random seed) and this one's kernel is everybody's.
"""
import os
import pathlib
import shutil
import subprocess
import time

BOOT = r"""
set -eu
root=$1 group=$2
echo $$ >"$group/cgroup.procs"
exec unshare --mount --pid --fork --uts --ipc --cgroup --kill-child /bin/bash -euc '
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 none "$0"
  cd "$0"
  mkdir upper work root
  mount -t overlay -o lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work overlay root
  upper=$PWD/upper
  cd root
  mount -t proc proc proc
  mount -t sysfs -o ro sys sys
  mount -t cgroup2 none sys/fs/cgroup
  mount -t bpf bpf sys/fs/bpf
  mount -t tmpfs -o mode=755 none dev
  for node in null zero full random urandom tty net/tun; do
    [ -e /dev/$node ] || continue
    mkdir -p dev/net
    touch dev/$node
    mount --bind /dev/$node dev/$node
  done
  mkdir dev/hugepages dev/shm dev/pts
  mount -t tmpfs none dev/shm
  mount -t devpts none dev/pts || :
  mount -t tmpfs -o mode=755 none run
  mount -t tmpfs -o mode=1777 none tmp
  mkdir run/upper run/systemd run/systemd/system
  mount --bind $upper run/upper
  for unit in lib/systemd/system/*.target.wants/* etc/systemd/system/*.target.wants/* lib/systemd/system/*.timer; do
    case ${unit##*/} in systemd-journald*|*.target|\*) ;; *) ln -sf /dev/null run/systemd/system/${unit##*/} ;; esac
  done
  rm -f usr/sbin/policy-rc.d var/lib/man-db/auto-update etc/machine-id run/machine-id
  echo 00112233445566778899aabbccddeeff >etc/machine-id
  printf "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n" >etc/systemd/journald.conf
  printf "[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n" >run/systemd/system/quiet.target
  hostname machine
  exec chroot . env -i container=machine LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=quiet.target --log-target=journal --show-status=no
' "$root"
"""


class Missing(Exception):
    """What this machine lacks to make another; the text is for a person."""


class Machine:
    """Boots at once. close() leaves nothing; Missing when it cannot be had."""

    def __init__(self, place, namespace):
        self.place, self.process, self.init = pathlib.Path(place), None, None
        groups = next((g for g in (pathlib.Path("/sys/fs/cgroup/unified"), pathlib.Path("/sys/fs/cgroup"))
                       if (g / "cgroup.procs").exists() and (g / "cgroup.controllers").exists()), None)
        if groups is None:
            raise Missing("no cgroup2 file system is mounted")
        self.group = groups / f"sluice-machine-{os.getpid()}"
        try:
            self.group.mkdir()
        except OSError as error:
            raise Missing(f"cannot make a cgroup ({error.strerror})") from None
        self.place.mkdir(exist_ok=True)
        self.log = open(self.place.with_suffix(".log"), "w+")
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{namespace}", "--", "/bin/bash", "-c", BOOT, "machine", self.place, self.group],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.wait_until("systemd", self.booted)
        except Missing:
            self.close()
            raise

    def booted(self):
        return self.run("systemctl", "is-active", "systemd-journald", check=False).returncode == 0

    def wait_until(self, what, condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                self.log.seek(0)
                raise Missing(f"no {what} in a machine of its own: {self.log.read()[-400:].strip() or 'no answer'}")
            time.sleep(0.05)

    def find_init(self):
        """Process 1 of the machine by its number here: the child of our `unshare`."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return children.read_text().split()[0] if children.exists() and children.read_text() else None

    def run(self, *command, check=True, **how):
        """Runs a command in the machine to its end; its outputs are text."""
        self.init = self.init or self.find_init()
        if self.init is None:
            return subprocess.CompletedProcess(command, 1, "", "not there yet")
        how = {"timeout": 120, **how}
        enter = ["nsenter", "--target", self.init, "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net", "--root",
                 "--wd", "--", "env", "-i", "--chdir=/tmp", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                 "DEBIAN_FRONTEND=noninteractive", "HOME=/root"]
        done = subprocess.run([*enter, *map(str, command)], capture_output=True, text=True, stdin=subprocess.DEVNULL, **how)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def path(self, inside):
        """A file of the machine as it is seen from here."""
        return pathlib.Path(f"/proc/{self.init}/root{inside}")

    def close(self):
        if self.process is not None:
            self.process.kill()  # takes process 1 along, and that everything else
            self.process.wait()
            self.log.close()
        end = time.monotonic() + 20
        while self.group.exists() and time.monotonic() < end:
            for folder, _, _ in os.walk(self.group, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    time.sleep(0.02)  # its last process is still on its way out
        shutil.rmtree(self.place, ignore_errors=True)
