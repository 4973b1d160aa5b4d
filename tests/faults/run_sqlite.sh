#!/usr/bin/env bash
# run_sqlite.sh [ROUNDS] - the embedded log under kill -9 (ROUNDS times, 60) and on a full disk.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
"$build/faults/full_sqlite" 2>/dev/null || { "$build/faults/full_sqlite"; exit 1; }
"$build/faults/kill_sqlite" "${1:-60}"
