#!/bin/sh
# Installs what building and testing need beyond Rust: a C++ compiler, ffmpeg, which makes test fixtures and reads what
# the daemon wrote, and libtorch, once, in the user's cache folder. Does nothing where everything is there.
set -eu
cd "$(dirname "$0")/.."

missing=""
command -v c++ >/dev/null || missing="$missing g++ libc6-dev"
command -v ffmpeg >/dev/null || missing="$missing ffmpeg"
command -v setpriv >/dev/null || missing="$missing util-linux"
python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3-pip"

# for power cuts, jumps of the clock, message buses and a booted systemd; tests that lack these say so and pass
if [ "$(id -u)" = 0 ]; then
    command -v mkfs.ext4 >/dev/null || missing="$missing e2fsprogs"
    command -v mount >/dev/null || missing="$missing mount"
    ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || missing="$missing libfaketime"
    [ -x /lib/systemd/systemd ] || missing="$missing systemd"
    command -v dbus-daemon >/dev/null || missing="$missing dbus"
    [ -e /usr/lib/systemd/user/dbus.socket ] || missing="$missing dbus-user-session"
    command -v gdbus >/dev/null || missing="$missing libglib2.0-bin"
    /usr/bin/python3 -c "import dbus" 2>/dev/null || missing="$missing python3-dbus"
    command -v pkcheck >/dev/null || missing="$missing polkitd"
fi

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

# libtorch of the version that the crate `tch` is made for; it comes as a Python package, of which no Python is used.
# With an NVIDIA card the CUDA libraries come with it (HARMONIX_CUDA=1 or 0 decides otherwise).
version=2.13.0
cuda=${HARMONIX_CUDA:-$([ -e /dev/nvidiactl ] && echo 1 || echo 0)}
if [ "$cuda" = 1 ]; then
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/harmonix/libtorch-$version-cuda"
    packages="torch==$version"
else
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/harmonix/libtorch-$version"
    # of CUDA's libraries these two are needed to load libtorch at all
    packages="--no-deps torch==$version nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85"
fi
if [ ! -e "$folder/torch/lib/libtorch_cpu.so" ]; then
    echo "installing libtorch $version into $folder" >&2
    rm -rf "$folder.part"
    mkdir -p "$(dirname "$folder")"
    # shellcheck disable=SC2086 # a list of packages
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$folder.part" $packages
    rm -rf "$folder"
    mv "$folder.part" "$folder"
fi
if [ -e libtorch ] && [ ! -L libtorch ]; then
    echo "libtorch: not a link; your own libtorch $version is used" >&2
else
    ln -sfn "$folder/torch" libtorch
fi
