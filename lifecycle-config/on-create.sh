#!/bin/bash
# Runs once, before the first start: creates the workshop's directories on the persistent volume.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mkdir -p "$STATE" "$WORKSHOP_HOME/notebooks"
give_to_user "$STATE" "$WORKSHOP_HOME/notebooks"
