#!/usr/bin/env bash
# Installs packages, builds, runs every test. The last line is "N passed, M failed"; exit 0 only if M is 0.
#   tests/run.sh [PATTERN]   only tests whose name contains PATTERN
set -euo pipefail
cd "$(dirname "$0")/.."
deploy/setup.sh --tests
[[ -f build/build.ninja ]] || meson setup build --buildtype=release >/dev/null
echo "building"
ninja -C build --quiet
exec python3 tests/runner.py --build build "$@"
