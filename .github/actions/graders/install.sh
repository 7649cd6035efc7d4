#!/usr/bin/env bash
# Installs graders, of the same commit as the action, into an environment of its own.
set -euo pipefail

source="$(cd "$(dirname "$0")/../../.." && pwd)"
place="$RUNNER_TEMP/graders-environment"
python -m venv "$place"
"$place/bin/python" -m pip install --quiet --disable-pip-version-check "$source${EXTRAS:+[$EXTRAS]}"
"$place/bin/graders" --version
