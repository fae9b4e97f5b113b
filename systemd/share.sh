#!/bin/sh
# Man pages, shell completions and the example configuration, written by the programs themselves: share.sh TARGET
set -eu
share=$1/share
rm -rf "$share"
mkdir -p "$share/man" "$share/completions"
"$1/harmonixctl" man "$share/man"
"$1/harmonixd" --man "$share/man"
"$1/harmonixd" --example-config >"$share/config.toml"
for shell in bash zsh fish; do "$1/harmonixctl" completions "$shell" >"$share/completions/harmonixctl.$shell"; done
