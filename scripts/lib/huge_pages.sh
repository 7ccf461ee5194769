# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Reserves 2 MiB huge pages for the time of a lab and gives back exactly what it reserved.
#
# Source it after common.sh; runs as root.

huge_pages_dir=/sys/kernel/mm/hugepages/hugepages-2048kB
huge_pages_ours=0 # pages added to the machine's count by this script

# reserve_huge_pages MIB: adds MIB MiB, all of it or nothing. What is free already may be promised to another
# lab, which has not taken it yet.
reserve_huge_pages() {
  local need=$(($1 / 2)) have lock
  [[ -w $huge_pages_dir/nr_hugepages ]] || return 1
  exec {lock}<"$huge_pages_dir" && flock "$lock"
  have=$(<"$huge_pages_dir/nr_hugepages")
  # Before the write, so that an interruption right after it still gives the pages back.
  huge_pages_ours=$need
  echo $((have + need)) >"$huge_pages_dir/nr_hugepages" 2>/dev/null || :
  huge_pages_ours=$(($(<"$huge_pages_dir/nr_hugepages") - have))
  exec {lock}<&-
  ((huge_pages_ours < need)) || return 0
  give_back_huge_pages
  return 1
}

give_back_huge_pages() {
  ((huge_pages_ours > 0)) || return 0
  local have lock
  exec {lock}<"$huge_pages_dir" && flock "$lock"
  have=$(<"$huge_pages_dir/nr_hugepages")
  echo $((have > huge_pages_ours ? have - huge_pages_ours : 0)) >"$huge_pages_dir/nr_hugepages"
  huge_pages_ours=0
  exec {lock}<&-
}
