#!/usr/bin/env bash
# run_kafka.sh [KILLS] - processes that fight for one pen over MUIR_TEST_KAFKA and are killed (KILLS times, 40).
set -uo pipefail
cd "$(dirname "$0")/../.."
[ -n "${MUIR_TEST_KAFKA:-}" ] || { echo "no Kafka: MUIR_TEST_KAFKA=HOST:PORT is not set"; exit 77; }
"${BUILD:-build}/faults/pen_kafka" "$MUIR_TEST_KAFKA" "${1:-40}" 3
