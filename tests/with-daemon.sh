#!/bin/sh
# Runs a command with a daemon of its own: private folders, the programs of the release build on PATH, stopped at the end.
#   tests/with-daemon.sh COMMAND [ARGUMENT…]
set -eu

programs=$(cd "$(dirname "$0")/../${CARGO_TARGET_DIR:-target}/release" 2>/dev/null || cd "${CARGO_TARGET_DIR:?}/release" && pwd)
private=$(mktemp -d)
PATH="$programs:$PATH"
HARMONIX_STATE_DIR="$private/state"
HARMONIX_CACHE_DIR="$private/cache"
HARMONIX_RUNTIME_DIR="$private/run"
HARMONIX_CONFIG=/dev/null
HARMONIX_DBUS_BUS=off
HARMONIX_LOG=${HARMONIX_LOG:-warn}
export PATH HARMONIX_DBUS_BUS HARMONIX_STATE_DIR HARMONIX_CACHE_DIR HARMONIX_RUNTIME_DIR HARMONIX_CONFIG HARMONIX_LOG
unset HARMONIX_SOCKET

harmonixd &
daemon=$!
finish() {
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
    rm -rf "$private"
}
trap finish EXIT
trap 'exit 130' INT TERM

tries=0
until harmonixctl status >/dev/null 2>&1; do
    kill -0 "$daemon" 2>/dev/null || { echo "harmonixd did not start" >&2; exit 1; }
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || { echo "harmonixd does not answer" >&2; exit 1; }
    sleep 0.05
done
"$@"
