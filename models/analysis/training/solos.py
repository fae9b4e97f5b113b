#!/usr/bin/env python3
"""Plays each instrument alone, to be mixed by instruments.py: solos.py OUT --font a.sf2 [--seconds 24]

For each program of General MIDI one mono track at 22.05 kHz with lines, chords and broken chords at several heights;
drums from the patterns of `evaluation/styles.py`. `voice-*` are voices of formants and `kit-*` drums of oscillators, which
need no soundfont (`--font none`).
"""

import argparse
import random
import sys
from pathlib import Path

import numpy as np
import pretty_midi
import scipy.signal
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluation"))
import generate
from drumkit import DrumKit
from styles import STYLES

RATE = 22050


def heights(program):
    """Lowest and highest pitch that an instrument is played at."""
    if 32 <= program < 40 or program in (43, 58, 67):
        return 28, 52
    if program in (70, 57, 60, 42, 68, 71):
        return 40, 70
    if program in (40, 72, 73, 78, 79, 56, 9, 10, 8, 14):
        return 60, 92
    return 40, 84


def phrases(rng, program, seconds):
    low, high = heights(program)
    mono = 32 <= program < 40 or 56 <= program < 80 and rng.random() < 0.6 or 40 <= program < 44 and rng.random() < 0.6
    notes, time = [], 0.05
    while time < seconds - 1:
        kind = rng.choice(["line", "line", "long", "staccato"] if mono else ["line", "chords", "chords", "broken", "pad"])
        centre, beat = rng.uniform(low + 4, high - 4), rng.uniform(0.25, 0.7)
        scale = [p for p in range(low, high) if (p - rng.randrange(12)) % 12 in (0, 2, 4, 5, 7, 9, 11)] or [low]
        end = min(seconds - 0.6, time + rng.uniform(2, 4))
        loud = rng.randrange(60, 120)
        while time < end:
            near = sorted(scale, key=lambda p: abs(p - centre))
            root = rng.choice(near[:7])
            length = beat * rng.choice([0.5, 1, 1, 2])
            hold = {"staccato": 0.3, "long": 3, "pad": 4}.get(kind, 0.95) * length
            chord = [root] if kind in ("line", "long", "staccato") else [root, root + rng.choice([3, 4]), root + 7, root + 12]
            for i, pitch in enumerate(chord):
                at = time + (i * beat / 4 if kind == "broken" else rng.uniform(0, 0.01))
                notes.append(pretty_midi.Note(min(127, loud + rng.randrange(-8, 8)), min(pitch, 108), at, min(seconds, at + hold)))
            time += hold if kind in ("long", "pad") else length
    return notes


def program_midi(rng, program, seconds):
    out = pretty_midi.PrettyMIDI(resolution=1000)
    track = pretty_midi.Instrument(program)
    track.notes = phrases(rng, program, seconds)
    track.pitch_bends = [pretty_midi.PitchBend(rng.randrange(-1500, 1500), 0)]
    out.instruments.append(track)
    return out


def strokes(rng, seconds):
    style = STYLES[rng.choice([s for s in STYLES if any(STYLES[s]["patterns"])])]
    pattern = rng.choice([p for p in style["patterns"] if p])
    step, out, at, n = 60 / rng.uniform(*style["bpm"]) / style["grid"], [], 0.05, 0
    while at < seconds - 0.3:
        for drum, line in pattern.items():
            stroke = line[n % len(line)]
            if stroke in "xX" or stroke == "o" and rng.random() < 0.8 or stroke == "?" and rng.random() < 0.5:
                out.append((at, drum, min(127, {"o": 55, "?": 80, "x": 95, "X": 115}[stroke] + rng.randrange(-8, 8))))
        at, n = at + step, n + 1
    return out


def drum_midi(rng, seconds):
    out = pretty_midi.PrettyMIDI(resolution=1000)
    track = pretty_midi.Instrument(rng.choice([0, 0, 8, 16, 24, 25, 32, 40]), is_drum=True)
    track.notes = [pretty_midi.Note(v, d, t, t + 0.1) for t, d, v in strokes(rng, seconds)]
    out.instruments.append(track)
    return out


def voice(rng, seconds):
    """Pulses through the formants of changing vowels, with vibrato, glides, breath and consonants of noise."""
    noise = np.random.default_rng(rng.randrange(1 << 30))
    n = int(seconds * RATE)
    vowels = np.array([(730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410), (660, 1720, 2410)])
    size = rng.uniform(0.9, 1.25)
    out, at = np.zeros(n), int(0.05 * RATE)
    pitch = rng.uniform(48, 70)
    while at < n - RATE // 2:
        length = int(RATE * rng.uniform(0.18, 1.2))
        length = min(length, n - at)
        t = np.arange(length) / RATE
        target = np.clip(pitch + rng.choice([-5, -4, -2, -1, 0, 1, 2, 3, 5]), 45, 77)
        glide = target + (pitch - target) * np.exp(-t / 0.04) + rng.uniform(0.1, 0.5) * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * t) * np.minimum(1, t / 0.4)
        frequency = 440 * 2 ** ((glide - 69) / 12)
        phase = np.cumsum(frequency) / RATE
        pulses = np.diff(np.floor(phase), prepend=0) + 0.02 * noise.standard_normal(length)
        source = scipy.signal.lfilter([1], [1, -rng.uniform(0.9, 0.97)], pulses)
        sound = np.zeros(length)
        vowel = vowels[rng.randrange(len(vowels))] * size
        for formant, gain, width in zip(vowel, (1, 0.6, 0.35), (80, 100, 140)):
            r = np.exp(-np.pi * width / RATE)
            a = [1, -2 * r * np.cos(2 * np.pi * formant / RATE), r * r]
            sound += gain * scipy.signal.lfilter([1 - r], a, source)
        sound *= np.minimum(1, t / 0.03) * np.minimum(1, (t[-1] - t) / 0.05 + 0.01)
        if rng.random() < 0.5:
            c = int(RATE * rng.uniform(0.03, 0.1))
            hiss = scipy.signal.lfilter([1, -0.95], [1], noise.standard_normal(c)) * np.hanning(c)
            hiss = hiss[: max(0, min(c, len(sound)))]
            sound[: len(hiss)] += 0.15 * hiss * np.abs(sound).max()
        out[at : at + length] += sound / max(1e-9, np.abs(sound).max()) * rng.uniform(0.5, 1)
        at += length + (int(RATE * rng.uniform(0.1, 0.6)) if rng.random() < 0.25 else 0)
        pitch = target
    return out


def save(path, audio):
    audio = audio / max(1e-9, np.abs(audio).max()) * 0.9
    soundfile.write(path, audio.astype("float32"), RATE, subtype="PCM_16")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--font", required=True)
    parser.add_argument("--seconds", type=float, default=24)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    half = lambda audio: scipy.signal.resample_poly(audio.mean(axis=1), 1, 2)
    if args.font == "none":
        for i in range(16):
            save(args.out / f"voice-{i}.wav", voice(random.Random(f"{args.seed}/v{i}"), args.seconds))
            rng = random.Random(f"{args.seed}/k{i}")
            kit = DrumKit(rng.randrange(1 << 30)).render(strokes(rng, args.seconds), int(44100 * args.seconds), i % 2)
            save(args.out / f"kit-{i}.wav", scipy.signal.resample_poly(kit, 1, 2))
        return
    for program in [p for p in range(112) if p != 55]:
        if (args.out / f"program-{program}.wav").exists():
            continue
        rng = random.Random(f"{args.seed}/{args.font}/{program}")
        audio = generate.fluidsynth(program_midi(rng, program, args.seconds), args.font, reverb=rng.random() < 0.5)
        if np.abs(audio).max() > 1e-4:
            save(args.out / f"program-{program}.wav", half(audio))
    for i in range(14):
        rng = random.Random(f"{args.seed}/{args.font}/d{i}")
        save(args.out / f"drums-{i}.wav", half(generate.fluidsynth(drum_midi(rng, args.seconds), args.font, reverb=i % 2 == 0)))


if __name__ == "__main__":
    main()
