#!/usr/bin/env bash
# Four workers of one machine, or of several that share a folder: each scores its part.
#     samples/shards/local.sh GRADER ROWS FOLDER
# Whatever stops it, the same line again goes on.
set -euo pipefail
grader=$1 rows=$2 folder=$3 count=${COUNT:-4}

workers=() failed=0
# A shell's background processes do not hear Ctrl-C: without this they would go on, and hold their parts.
trap 'kill "${workers[@]}" 2>/dev/null || true; wait' EXIT
for ((index = 0; index < count; index++)); do
  graders score "$grader" "$rows" -o "$folder/" --shard "$index/$count" --workers 0 --resume >"$folder.$index.log" 2>&1 &
  workers+=($!)
done
for worker in "${workers[@]}"; do wait "$worker" || failed=$?; done
trap - EXIT
[ "$failed" = 0 ] || { echo "see $folder.*.log" >&2; exit "$failed"; }
graders merge "$folder" -o "$folder.jsonl"
