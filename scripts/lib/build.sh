# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sets up a meson build directory for this machine's CPU and compiles in it.
#
# Source it after common.sh.

# The widest instruction set that this CPU and Debian 12's compilers share and that is worth its name.
cpu_isa() {
  local flags flag
  flags=" $(grep -m1 '^flags' /proc/cpuinfo | cut -d: -f2) "
  for flag in avx avx2 bmi1 bmi2 f16c fma abm movbe; do
    [[ $flags == *" $flag "* ]] || {
      echo x86-64-v2
      return
    }
  done
  echo x86-64-v3
}

# What the scripts build with: line numbers in back traces without the time that full debug information takes.
# The prefix is that of packages, which can be made of it so (scripts/package --built).
build_options() { printf '%s\n' "-Disa=$(cpu_isa)" -Dcpp_args=-g1 --prefix=/usr; }

# set_up_build DIR [MESON-OPTION...]: makes or reconfigures DIR; one that an interruption left half made
# is made again. Environment variables such as CXX count only when DIR is new.
set_up_build() {
  local dir=$1
  shift
  if [[ -f $dir/build.ninja ]]; then
    meson setup --reconfigure "$@" "$dir" "$SLUICE_TOP"
  else
    [[ ! -d $dir/meson-private ]] || rm -rf -- "$dir"
    meson setup "$@" "$dir" "$SLUICE_TOP"
  fi
}

# compile DIR [MESON-OPTION...] [-- TARGET...]: set_up_build, then ninja.
compile() {
  local dir=$1 options=()
  shift
  while (($#)) && [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  (($#)) && shift
  set_up_build "$dir" "${options[@]}" && ninja -C "$dir" "$@"
}
