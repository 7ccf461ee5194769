# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A sandbox: mount and PID namespaces around a lab. Its first process is all there is to stop: with it go
# every process, mount, network namespace, pinned BPF map and huge page of the lab, in one stroke.
#
# Source it after common.sh; runs as root. Seen from inside, /run and /sys/fs/bpf are the lab's own, so
# two labs, and a lab beside a real balancer, never meet.

sandbox_outer=0 # the `unshare` process, our child
sandbox_init=0  # process 1 of the sandbox, by its number outside

# start_sandbox [loose]: ends when this script ends, however it ends; a loose one stays.
start_sandbox() {
  local first='' tie=()
  [[ ${1:-} == loose ]] || tie=(setpriv --pdeathsig KILL)
  local out
  exec {out}< <(exec "${tie[@]}" setsid unshare --mount --pid --fork --kill-child --mount-proc \
    /bin/bash "$SLUICE_TOP/scripts/lib/sandbox_init.sh" 2>&1 </dev/null)
  sandbox_outer=$!
  if ! read -r -t 20 first <&"$out" || [[ $first != ready ]]; then
    complain "cannot make a sandbox: ${first:-no answer}; needs root and a kernel with namespaces (a privileged container)"
    exec {out}<&-
    stop_sandbox
    return 1
  fi
  exec {out}<&-
  sandbox_init=$(pgrep -P "$sandbox_outer")
}

# Kills the sandbox and waits until the last process in it is gone. May be called at any moment, twice.
stop_sandbox() {
  local outer=$sandbox_outer
  ((outer > 0)) || return 0
  sandbox_outer=0
  # --kill-child: process 1 gets SIGKILL when `unshare` dies, and takes its namespace along.
  local init=${sandbox_init:-0}
  sandbox_init=0
  ((init > 0)) || init=$(pgrep -P "$outer") || init=0
  # Quietly: bash would tell of every command of ours that dies with it.
  {
    kill -KILL "$outer" || :
    ((init == 0)) || wait_until 20 "" process_gone "$init" || :
  } 2>/dev/null
  ((init == 0)) || process_gone "$init" || complain "the lab's first process, $init, does not end"
}
process_gone() { [[ ! -d /proc/$1 ]]; }

# in_sandbox COMMAND...: runs COMMAND inside, in the directory we are in. In the background it replaces the
# subshell, which would otherwise complain when the sandbox is stopped.
in_sandbox() {
  local enter=(nsenter --target "$sandbox_init" --mount --pid -- env --chdir="$PWD" SLUICE_LAB_INSIDE=1
    TMPDIR=/run/lab/tmp PATH="$SLUICE_BUILD/app/sluiced:$SLUICE_BUILD/app/sluicectl:$PATH")
  ((BASHPID == $$)) || exec "${enter[@]}" "$@"
  "${enter[@]}" "$@"
}
