#!/bin/sh
# Installs what building and testing need beyond Rust: a C compiler to link with, and ffmpeg, which makes test fixtures
# and reads what the daemon wrote. Does nothing where everything is there.
set -eu

missing=""
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
command -v ffmpeg >/dev/null || missing="$missing ffmpeg"
command -v setpriv >/dev/null || missing="$missing util-linux"

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        # shellcheck disable=SC2086 # a list of packages
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        echo "missing:$missing - install them, e.g. sudo apt-get install$missing" >&2
        exit 1
    fi
fi
command -v cargo >/dev/null || {
    echo "missing: a Rust toolchain (https://rustup.rs)" >&2
    exit 1
}
