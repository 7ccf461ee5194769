# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Process 1 of a sandbox: mounts what a lab needs, says "ready", then reaps orphans until it is killed.
set -eu

mount -t tmpfs -o mode=755,size=1g lab /run
mkdir -p /run/netns /run/sluice /run/dpdk /run/lock /run/lab/tmp

# A machine without BPF file system support still runs the lab, over af_packet.
mount -t bpf bpf /sys/fs/bpf 2>/dev/null || :

# Pages that a killed daemon held come back with the mount. Others' mounts would be found first.
awk '$3 == "hugetlbfs" { print $2 }' /proc/mounts | while read -r other; do umount -l "$other"; done
mkdir -p /run/hugepages
mount -t hugetlbfs -o pagesize=2M none /run/hugepages 2>/dev/null || rmdir /run/hugepages

echo ready
exec >/dev/null 2>&1
# `wait` lets bash collect every orphan while it sleeps for good.
while :; do
  sleep infinity &
  wait || :
done
