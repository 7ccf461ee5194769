# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every script here shares: its place in the tree, its voice, root rights, steps that can be stopped.
#
# Source it after `set -euo pipefail`.

SLUICE_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SLUICE_BUILD=${SLUICE_BUILD:-$SLUICE_TOP/build} # where the programs are built; may be set outside
[[ $SLUICE_BUILD == /* ]] || SLUICE_BUILD=$PWD/$SLUICE_BUILD
export SLUICE_TOP SLUICE_BUILD
# Debian keeps bpftool and nginx in sbin, which an ordinary user's PATH leaves out.
case ":$PATH:" in *:/usr/sbin:*) ;; *) PATH="$PATH:/usr/sbin:/sbin" ;; esac

say() { printf '%s\n' "$*"; }
complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  complain "$@"
  exit 1
}
usage_error() {
  complain "$1; see ${0##*/} --help"
  exit 2
}

# Prints the comment block at the head of a script, from its third line to the first that is no comment.
print_help() { awk 'NR > 2 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# Runs a command with root's rights: as it is for root, else by sudo.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -- "$@"
  else
    die "needs root: run it as root, or install sudo"
  fi
}

# wait_until SECONDS WHAT COMMAND...: runs COMMAND until it succeeds; after SECONDS fails and names WHAT.
wait_until() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if ((SECONDS >= end)); then
      complain "waited in vain for $what"
      return 1
    fi
    sleep 0.05
  done
}

# The process group of the step that runs now, for stop_step; 0 between steps.
step_group=0

# run_stoppable LOG COMMAND...: runs COMMAND in a process group of its own, both outputs to LOG, and
# returns its status. A signal to the script then reaches its traps at once, not after the command; and
# a COMMAND that is a program, not a function, gets SIGTERM when the script dies without its traps.
run_stoppable() {
  local log=$1 status=0
  shift
  set -m
  if declare -F "$1" >/dev/null; then
    "$@" >"$log" 2>&1 </dev/null &
  else
    setpriv --pdeathsig TERM -- "$@" >"$log" 2>&1 </dev/null &
  fi
  step_group=$!
  set +m
  wait "$step_group" || status=$?
  step_group=0
  return "$status"
}

# Ends what run_stoppable runs, with all its children: asks, waits 15 s, then kills.
stop_step() {
  local group=$step_group
  ((group > 0)) || return 0
  step_group=0
  kill -TERM -- "-$group" 2>/dev/null || return 0
  wait_until 15 "the interrupted step to end" group_gone "$group" || kill -KILL -- "-$group" 2>/dev/null || :
}
group_gone() { ! kill -0 -- "-$1" 2>/dev/null; }
