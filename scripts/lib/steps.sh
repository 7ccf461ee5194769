# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Runs named steps one after the other, one line each, and counts what they tested.
#
# A step is a function `step_NAME` of the script, which runs itself as `SCRIPT --step NAME`: a process of its
# own, that a signal can stop and whose first failing command ends it. Its output becomes a log; it hands its
# counts to `count`. A step that fails and counted no failure counts as one.
# Source it after common.sh.

steps_logs= # directory of the logs; the script sets it
steps_passed=0 steps_failed=0 steps_skipped=0
steps_broken=() # names of the steps that failed

# In a step. count PASSED FAILED SKIPPED; skip WHY; blame: adds its input to what is printed of a step that failed.
count() { echo "$@" >>"$STEP_COUNTS"; }
blame() { cat >>"$STEP_FAILURES"; }
skip() {
  say "skipped: $*"
  echo "$*" >>"$STEP_SKIPPED"
  count 0 0 1
}

# run_step NAME: runs it to its end, or until stop_step; prints its line, and if it failed what it put into
# STEP_FAILURES, or where it blamed nothing the end of its log.
run_step() {
  local name=$1 start=$SECONDS status=0 passed=0 failed=0 skipped=0 p f s word=ok
  local log=$steps_logs/$name.log
  export STEP_COUNTS=$steps_logs/$name.counts STEP_SKIPPED=$steps_logs/$name.skipped STEP_FAILURES=$steps_logs/$name.failures
  rm -f "$STEP_COUNTS" "$STEP_SKIPPED" "$STEP_FAILURES"
  printf '%-14s ' "$name"
  run_stoppable "$log" "$0" --step "$name" || status=$?
  if [[ -f $STEP_COUNTS ]]; then
    while read -r p f s; do passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s)); done <"$STEP_COUNTS"
  fi
  rm -f "$STEP_COUNTS"
  if ((status != 0 && failed == 0)); then failed=1; fi
  if ((failed)); then
    word=FAILED
    steps_broken+=("$name")
  elif ((passed == 0 && skipped)); then
    word=skipped
  fi
  steps_passed=$((steps_passed + passed)) steps_failed=$((steps_failed + failed)) steps_skipped=$((steps_skipped + skipped))
  printf '%-8s %5d passed %3d failed %3d skipped %5d s\n' "$word" "$passed" "$failed" "$skipped" $((SECONDS - start))
  if [[ -f $STEP_SKIPPED ]]; then sort "$STEP_SKIPPED" | uniq -c | sed 's/^ *\([0-9]*\) /  skipped \1: /'; fi
  rm -f "$STEP_SKIPPED"
  if ((failed)); then
    if [[ -s $STEP_FAILURES ]]; then head -n 100 "$STEP_FAILURES"; else tail -n 25 "$log"; fi | sed 's/^/  | /'
    say "  the whole log: ${log#"$PWD"/}"
  fi
}

# The last words: alone on its line the sum; status 1 when anything failed or nothing was tested.
sum_up() {
  ((${#steps_broken[@]} == 0)) || say "failed: ${steps_broken[*]}"
  say "$steps_passed passed, $steps_failed failed, $steps_skipped skipped"
  ((steps_failed == 0 && steps_passed > 0))
}
