#!/usr/bin/env bash
# Checks, tests, scores and compares what the action's inputs name: all of it, whatever failed
# before. Exits with the worst code.
set -uo pipefail

graders="$RUNNER_TEMP/graders-environment/bin/graders"
worst=0

lines() { # Read the lines of a text that hold something into the array `found`.
  found=()
  local line
  while IFS= read -r line || [ -n "$line" ]; do
    line="${line#"${line%%[![:space:]]*}"}"
    line="${line%"${line##*[![:space:]]}"}"
    if [ -n "$line" ]; then found+=("$line"); fi
  done <<<"$1"
}

step() { # Run a command in a group of the log, and keep the worst exit code.
  echo "::group::graders $*"
  local token=""
  if [ "$1" != validate ]; then # What rows hold is shown, and must not speak to the runner.
    token="graders-$RANDOM$RANDOM$RANDOM$RANDOM"
    echo "::stop-commands::$token"
  fi
  "$graders" "$@"
  local code=$?
  if [ -n "$token" ]; then echo "::$token::"; fi
  echo "::endgroup::"
  if [ "$code" -ne 0 ]; then echo "::error::graders $1 exits with $code"; fi
  if [ "$code" -gt "$worst" ]; then worst=$code; fi
}

lines "$OPTIONS"
options=(${found[@]+"${found[@]}"})

lines "$GRADERS"
if [ "${#found[@]}" -gt 0 ]; then
  check=(--target "$TARGET" --format github)
  if [ -n "$ROWS" ]; then check+=(--rows "$ROWS" ${options[@]+"${options[@]}"}); fi
  if [ "$STRICT" = true ]; then check+=(--strict); fi
  step validate "${check[@]}" -- "${found[@]}"
fi

lines "$SUITES"
if [ "${#found[@]}" -gt 0 ]; then
  step test --step-summary -- "${found[@]}"
fi

if [ -n "$SCORE" ]; then
  results="$RUNNER_TEMP/graders-results.jsonl"
  step score --step-summary -o "$results" --max-failures "$MAX_FAILURES" ${options[@]+"${options[@]}"} -- "$SCORE" "$ROWS"
  if [ -f "$results" ]; then echo "results=$results" >>"$GITHUB_OUTPUT"; fi
  if [ -n "$BASELINE" ]; then
    drop=()
    if [ -n "$MAX_MEAN_DROP" ]; then drop=(--max-mean-drop "$MAX_MEAN_DROP"); fi
    step diff --step-summary ${drop[@]+"${drop[@]}"} ${options[@]+"${options[@]}"} -- "$BASELINE" "$SCORE" "$ROWS"
  fi
fi

exit "$worst"
