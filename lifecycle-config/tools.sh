#!/bin/bash
# The Python environment of the workshop's own programs on the instance (boto3, what lets git push to S3): small, so
# that they can begin while the kernel's is being made, and apart from it, so that nothing a learner installs can
# break them.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

grep -E '^(boto3|PyYAML|git-remote-s3)\b' "$WORKSHOP_HOME/workshop/requirements.txt" >"$STATE/tools.txt"
find_uv
packages "$STATE/tools.txt"
environment "$STATE/tools" "$WORKSHOP_HOME/workshop"
