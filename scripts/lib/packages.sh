# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Installs the Debian packages that scripts/packages lists, and only those that are missing.
#
# Source it after common.sh.

# install_packages GROUP...: one line when there is something to do, none when there is not.
install_packages() {
  local group missing=() package
  while read -r group package; do
    [[ " $* " == *" $group "* && " ${missing[*]} " != *" $package "* ]] || continue
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done < <(sed 's/#.*//; /^[[:space:]]*$/d' "$SLUICE_TOP/scripts/packages")
  ((${#missing[@]})) || return 0

  say "install   ${missing[*]}"
  local log
  log=$(mktemp)
  if ! as_root env DEBIAN_FRONTEND=noninteractive /bin/bash -c "$(declare -f apt_install); apt_install \"\$@\"" \
    apt_install "${missing[@]}" >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    die "could not install the packages; is this Debian 12, and are its mirrors within reach?"
  fi
  rm -f "$log"
}

# As root. A fresh nginx would start a web server on port 80 of the machine and again at each boot, bird
# and frr a routing daemon, prometheus itself: the lab runs its own, so a policy-rc.d forbids the start while
# we install, and the units are disabled.
apt_install() {
  set -e
  local policy=/usr/sbin/policy-rc.d units=() package
  for package in "$@"; do
    case $package in
      nginx | frr | prometheus) units+=("$package") ;;
      bird2) units+=(bird) ;;
    esac
  done
  if ((${#units[@]})) && [[ ! -e $policy ]]; then
    # shellcheck disable=SC2064 # the path is known now
    trap "rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  # The lists may be older than the mirror, or not there at all.
  apt-get install -y --no-install-recommends "$@" ||
    { apt-get update && apt-get install -y --no-install-recommends "$@"; }
  if ((${#units[@]})) && [[ -d /run/systemd/system ]]; then systemctl disable --quiet "${units[@]}"; fi
}
