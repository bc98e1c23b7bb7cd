#!/bin/bash
# Once, before the first start: the directories of the workshop on the volume that persists.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mkdir -p "$STATE" "$WORKSHOP_HOME/notebooks"
give_to_user "$STATE" "$WORKSHOP_HOME/notebooks" "$WORKSHOP_HOME/workshop"
