#!/bin/sh
# The main job on a real song, as `make demo` shows it: OUT [SONG]. Run by tests/with-daemon.sh.
# Without a song it plays one that the project synthesises, whose stems are known, so that there is an SDR to print.
set -eu

out=$1
song=${2:-}
mkdir -p "$out"

if [ -z "$song" ]; then
    harmonix-synth "$out" --seconds 30
    song="$out/song.wav"
    truth="--truth drums=$out/truth/drums.wav --truth bass=$out/truth/bass.wav
           --truth other=$out/truth/other.wav --truth vocals=$out/truth/vocals.wav"
else
    truth=""
fi

stems="$out/stems"
rm -rf "$stems"
mkdir -p "$stems"
harmonixctl separate "$song" -o "$stems"

stem() { find "$stems" -name "*_$1.flac" | head -n 1; }
echo
# shellcheck disable=SC2086 # a list of arguments
harmonix-picture --mixture "$song" \
    --stem "drums=$(stem drums)" --stem "bass=$(stem bass)" --stem "other=$(stem other)" --stem "vocals=$(stem vocals)" \
    $truth -o "$out/picture.png"
echo
echo "stems:   $stems/"
echo "picture: $out/picture.png"
