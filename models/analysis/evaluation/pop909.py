#!/usr/bin/env python3
"""Renders the songs of POP909 with their annotations: pop909.py MIDI_FOLDER OUT --fonts a.sf2 [--seconds 60]

The folder holds `pop909-NNN/` with the MIDI file, `beat_midi.txt`, `chord_midi.txt` and `key_audio.txt`. Songs are
for melody, bridge and piano alone: no drums, a free tempo here and there.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
import pretty_midi

from generate import RATE, finish, fluidsynth

import soundfile

FLATS = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#", "Cb": "B", "Fb": "E"}


def rows(path):
    return [line.split() for line in path.read_text().splitlines() if line.strip()]


def truth(folder, seconds):
    beats = [[float(x) for x in row] for row in rows(folder / "beat_midi.txt")]
    times = [b[0] for b in beats if b[0] < seconds]
    bars = [b[0] for b in beats if b[2] == 1 and b[0] < seconds]
    chords = [[float(a), float(b), c.replace("/0", "")] for a, b, c in rows(folder / "chord_midi.txt") if float(a) < seconds]
    keys = [k for k in rows(folder / "key_audio.txt") if float(k[0]) < seconds - 10]
    tonic, scale = keys[0][2].split(":")
    return dict(
        style="pop909", drift="midi", swing=0, electronic=False, bpm=float(60 / np.median(np.diff(times))), beats=times,
        downbeats=bars, metre="4/4" if np.median(np.diff([times.index(b) for b in bars])) == 4 else None,
        tonic=FLATS.get(tonic, tonic) if len(keys) == 1 else None, scale={"maj": "major", "min": "minor"}[scale],
        tuning=None, chords=chords, sections=None,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fonts", nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for i, folder in enumerate(sorted(args.folder.glob("pop909-*"))):
        rng = random.Random(folder.name)
        path = args.out / f"{folder.name}.wav"
        midi = pretty_midi.PrettyMIDI(str(next(folder.glob("*.mid"))))
        programs = {"MELODY": [0, 73, 40, 53, 65, 26], "BRIDGE": [0, 48, 4, 11], "PIANO": [0, 0, 1, 4, 25]}
        for track in midi.instruments:
            track.program = rng.choice(programs.get(track.name, [0]))
            track.notes = [n for n in track.notes if n.start < args.seconds]
        font = args.fonts[i % len(args.fonts)]
        audio = fluidsynth(midi, font)
        soundfile.write(path, finish(audio, rng, args.seconds), RATE, subtype="PCM_16")
        path.with_suffix(".json").write_text(json.dumps(truth(folder, args.seconds) | {"font": Path(font).stem}))


if __name__ == "__main__":
    main()
