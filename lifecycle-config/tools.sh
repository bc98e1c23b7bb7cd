#!/bin/bash
# Makes the Python environment of the workshop's own programs on the instance (boto3, and what lets git push to S3).
# It is small, so that they can start while the kernel's environment is still being made, and separate, so that
# nothing a learner installs can break them.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

grep -E '^(boto3|PyYAML|git-remote-s3)\b' "$STATE/package/requirements.txt" >"$STATE/tools.txt"
find_uv
packages "$STATE/tools.txt"
environment "$STATE/tools" "$STATE/package"
