#!/usr/bin/env bash
# An array of Slurm: each task scores its part, and is queued again where its node is lost.
#     array=$(sbatch --parsable samples/shards/slurm.sh GRADER ROWS FOLDER)
#     sbatch --dependency=afterok:$array --wrap "graders merge FOLDER -o results.jsonl"
# FOLDER is on a file system that all nodes see, or s3://bucket/folder/; ROWS too.
#SBATCH --job-name=graders
#SBATCH --array=0-63
#SBATCH --cpus-per-task=8
#SBATCH --mem=4G
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

graders score "$1" "$2" -o "$3" --resume \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --workers "${SLURM_CPUS_PER_TASK:-0}"
