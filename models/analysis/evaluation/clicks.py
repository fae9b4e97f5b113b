#!/usr/bin/env python3
"""Makes metronomes with their truth: clicks.py OUT [--songs 60] [--seed 1]. Some count bars of three or four."""

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile

RATE = 44100


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--songs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for i in range(args.songs):
        rng = np.random.default_rng([args.seed, i])
        bpm = float(np.exp(rng.uniform(np.log(40), np.log(220))))
        accent = int(rng.choice([1, 1, 3, 4]))
        seconds = float(rng.uniform(12, 40))
        start = float(rng.uniform(0, 1))
        beats = np.arange(start, seconds - 0.1, 60 / bpm)
        audio = np.zeros(int(seconds * RATE))
        decay, length = rng.uniform(80, 300), int(0.05 * RATE)
        t = np.arange(length) / RATE
        pitches = np.exp(rng.uniform(np.log(80), np.log(5000), 2))
        noisy = rng.random() < 0.3
        for n, time in enumerate(beats):
            first = accent > 1 and n % accent == 0
            tone = rng.standard_normal(length) if noisy else np.sin(2 * np.pi * pitches[int(first)] * t)
            sound = tone * np.exp(-t * decay) * (0.8 if first else 0.5)
            at = int(time * RATE)
            end = min(len(audio), at + length)
            audio[at:end] += sound[: end - at]
        audio += rng.standard_normal(len(audio)) * 10 ** (rng.uniform(-90, -40) / 20)
        soundfile.write(args.out / f"clicks-{i}.wav", audio.clip(-1, 1), RATE, subtype="PCM_16")
        truth = dict(style="clicks", font="", drift="none", bpm=bpm, beats=beats.tolist(), tonic=None, scale=None, tuning=None,
                     downbeats=beats[::accent].tolist() if accent > 1 else [], metre={1: None, 3: "3/4", 4: "4/4"}[accent],
                     chords=[], sections=None)
        (args.out / f"clicks-{i}.json").write_text(json.dumps(truth))


if __name__ == "__main__":
    main()
