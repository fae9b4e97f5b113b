#!/usr/bin/env python3
"""Makes songs with exact truth: generate.py OUT --songs 60 --seed 1 --fonts a.sf2 b.sf3 [--seconds 45]

Each song is `<name>.wav` (44.1 kHz stereo) with `<name>.json`: bpm, beats, downbeats, metre, key, tuning, chords,
sections, instruments. Nothing of a song depends on anything but its seed and its soundfont. Needs fluidsynth and ffmpeg.
"""

import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pretty_midi
import soundfile

import families
from drumkit import DrumKit
from styles import BANDS, HAT, KICK, MAJOR, MINOR, NAMES, SCALES, SHAKER, STYLES, TONES

RATE = 44100


class Clock:
    """Beat positions to seconds, with a drift for some songs."""

    def __init__(self, rng, bpm, beats, start, drift):
        period = 60 / bpm
        steps = np.full(beats + 64, period)
        if drift == "live":
            walk = np.cumsum(rng_normal(rng, len(steps), 0.004))
            walk -= np.linspace(walk[0], walk[-1], len(walk))
            steps *= np.exp(np.clip(walk, -0.04, 0.04))
        elif drift == "ramp":
            steps *= np.exp(np.linspace(0, rng.choice([-1, 1]) * rng.uniform(0.04, 0.1), len(steps)))
        self.times = start + np.concatenate([[0], np.cumsum(steps)])

    def at(self, beat):
        return float(np.interp(beat, np.arange(len(self.times)), self.times))


def rng_normal(rng, n, sigma):
    return np.array([rng.gauss(0, sigma) for _ in range(n)])


def swung(beat, amount, grid):
    """Moves the second half of each `grid`-th of a beat later: 0 straight, 1 triplets."""
    unit = 1 / grid
    whole, part = divmod(beat, unit)
    half = unit / 2
    late = half + amount * unit / 6
    part = part / half * late if part < half else late + (part - half) / half * (unit - late)
    return whole * unit + part


class Song:
    def __init__(self, seed, seconds, style=None):
        rng = self.rng = random.Random(seed)
        names = list(STYLES)
        self.style_name = style or rng.choices(names, [STYLES[n]["weight"] for n in names])[0]
        self.style = STYLES[self.style_name]
        low, high = self.style["bpm"]
        self.bpm = round(rng.uniform(low, high), rng.choice([0, 0, 0, 1, 2]))
        self.metre = self.style["beats"]
        self.electronic = self.style.get("electronic", False)
        self.swing16 = rng.uniform(0.2, 0.9) if rng.random() < self.style.get("swing16", 0) else 0
        chances = ["none"] * 8 if self.electronic else ["none"] * 5 + ["live"] * 2 + ["ramp"]
        self.drift = rng.choice(chances)
        self.jitter = 0 if self.electronic else rng.choice([0, 0.002, 0.004, 0.008])
        self.tonic = rng.randrange(12)
        self.scale = rng.choice(["major", "major", "minor"])
        self.tuning = rng.choice([0, 0, rng.uniform(-48, 48)])
        bars = int(np.ceil(seconds * self.bpm / 60 / self.metre))
        self.clock = Clock(rng, self.bpm, bars * self.metre, rng.uniform(0.05, 1.2), self.drift)
        self.bars = bars
        comp, lead, bass, pad = BANDS[self.style["band"]]
        self.programs = dict(comp=rng.choice(comp), lead=rng.choice(lead), bass=rng.choice(bass), pad=rng.choice(pad))
        self.octave = rng.choice([0, 0, 12])
        self.notes = {"comp": [], "lead": [], "bass": [], "pad": []}
        self.drums = []
        self.chords = []
        self.plan()
        self.write()

    def plan(self):
        """Sections of 4 or 8 bars; the same letter has the same chords and the same pattern."""
        rng = self.rng
        table = MAJOR if self.scale == "major" else MINOR
        order = rng.choice(["ABA", "AABA", "IABAB", "IAB", "ABAB", "IABA", "AAB", "ABCAB"])
        size = 4 if self.bars < 20 else 8
        drumless = all(not p for p in self.style["patterns"])
        self.kinds, self.sections = {}, []
        first = rng.choice(table[:2] + table) if self.scale == "major" else rng.choice(table)
        for letter in "IABC":
            progression = first if letter in "IA" else rng.choice(table)
            self.kinds[letter] = dict(
                chords=progression,
                slow=rng.random() < 0.25,
                fast=rng.random() < 0.15 and self.metre == 4,
                pattern=rng.choice(self.style["patterns"]),
                drums=letter != "I" or rng.random() < 0.4,
                lead=letter != "I" and rng.random() < 0.8,
                bass=(letter != "I" or rng.random() < 0.5) and not (drumless and rng.random() < 0.5),
                pad=rng.random() < 0.4,
                comp=rng.choice(["block", "eighths", "arpeggio", "offbeat", "quarters", "long"]),
                bassline=rng.choice(["root", "eighths", "fifth", "walk", "kick"]),
                contour=[rng.randrange(-3, 4) for _ in range(64)],
                rhythm=[rng.random() for _ in range(64)],
            )
        bar, i = 0, 0
        while bar < self.bars:
            letter = order[i % len(order)]
            length = min(4 if letter == "I" else size, self.bars - bar)
            if self.bars - bar - length < 2:
                length = self.bars - bar
            self.sections.append((bar, length, letter))
            bar, i = bar + length, i + 1

    def time(self, beat, loose=1.0):
        if self.swing16:
            beat = swung(beat, self.swing16, 2)
        return self.clock.at(beat) + self.rng.gauss(0, self.jitter * loose)

    def note(self, part, beat, length, pitch, velocity):
        start = max(0.0, self.time(beat))
        end = max(start + 0.03, self.clock.at(beat + length * 0.95))
        velocity = int(np.clip(velocity + self.rng.gauss(0, 5), 20, 127))
        self.notes[part].append((start, end, int(pitch), velocity))

    def write(self):
        for number, (start, length, letter) in enumerate(self.sections):
            kind = self.kinds[letter]
            for bar in range(length):
                self.bar(kind, start + bar, bar, last=bar == length - 1)
        end = self.bars * self.metre
        self.end = self.clock.at(end)

    def bar(self, kind, number, within, last):
        metre, rng = self.metre, self.rng
        at = number * metre
        progression = kind["chords"]
        if kind["fast"]:
            degrees = [progression[(2 * within + i) % len(progression)] for i in (0, 1)]
        else:
            step = within // 2 if kind["slow"] or metre == 2 and self.style.get("double") == 2 and within % 2 else within
            degrees = [progression[step % len(progression)]]
        span = metre / len(degrees)
        for i, (degree, quality) in enumerate(degrees):
            root = (self.tonic + degree) % 12
            begin = at + i * span
            self.chords.append((begin, begin + span, root, quality))
            self.accompany(kind, begin, span, root, quality)
        if kind["lead"]:
            self.lead(kind, at, degrees, within)
        if kind["drums"] and kind["pattern"]:
            self.drum_bar(kind["pattern"], at, last, within)

    def accompany(self, kind, at, span, root, quality):
        ternary = self.style["grid"] == 3
        base = 48 + self.octave + root if root < 7 else 36 + self.octave + root
        voicing = sorted(base + t if base + t < 64 + self.octave else base + t - 12 for t in TONES[quality])
        comp, sub = kind["comp"], 3 if ternary else 2
        if comp == "long":
            for p in voicing:
                self.note("comp", at, span, p, 72)
        elif comp == "block" or comp == "quarters":
            step = 1 if comp == "quarters" else max(1, span / 2)
            for b in np.arange(0, span, step):
                for p in voicing:
                    self.note("comp", at + b, step, p, 78 if b == 0 else 68)
        elif comp == "eighths":
            for n, b in enumerate(np.arange(0, span - 1e-6, 1 / sub)):
                if ternary and n % 3 == 1 and self.style_name in ("swing", "shuffle"):
                    continue
                for p in voicing:
                    self.note("comp", at + b, 1 / sub, p, 76 if n % sub == 0 else 60)
        elif comp == "offbeat":
            for b in np.arange(0, span):
                for p in voicing:
                    self.note("comp", at + b + (2 / 3 if ternary else 1 / 2), 0.4, p, 74)
            if not kind["drums"] or not kind["pattern"]:
                self.note("comp", at, 1, voicing[0] - 12, 80)
        else:
            tones = voicing + [voicing[0] + 12]
            for n, b in enumerate(np.arange(0, span - 1e-6, 1 / sub)):
                self.note("comp", at + b, 1.5 / sub, tones[[0, 1, 2, 3, 2, 1][n % 6] % len(tones)], 74 if n % sub == 0 else 62)
        if kind["pad"]:
            for p in voicing[:3]:
                self.note("pad", at, span, p + 12, 52)
        if kind["bass"]:
            low = 28 + (root - 4) % 12
            line = kind["bassline"]
            if self.style_name == "swing" or line == "walk" and not ternary:
                tones = TONES[quality]
                for n, b in enumerate(np.arange(0, span)):
                    self.note("bass", at + b, 1, low + (0 if n == 0 else self.rng.choice(tones)), 88)
            elif line == "eighths":
                for n, b in enumerate(np.arange(0, span - 1e-6, 1 / sub)):
                    if not (ternary and n % 3 == 1):
                        self.note("bass", at + b, 1 / sub, low, 88 if n % sub == 0 else 76)
            elif line == "fifth":
                for n, b in enumerate(np.arange(0, span, max(1, span / 2))):
                    self.note("bass", at + b, 1, low + (7 if n % 2 else 0), 88)
            elif line == "kick" and span >= 2:
                for b, d in ((0, 1), (1.5 if not ternary else 5 / 3, 0.5), (span - 1 if span > 2 else span, 1)):
                    if b < span:
                        self.note("bass", at + b, d, low, 88)
            else:
                self.note("bass", at, span, low, 90)

    def lead(self, kind, at, degrees, within):
        scale = SCALES[self.scale]
        sub = 3 if self.style["grid"] == 3 else 2
        steps = self.metre * sub
        position = 7 + within % 3
        for n in range(steps):
            slot = (within % 4) * steps + n
            chance = kind["rhythm"][slot % 64]
            strong = n % sub == 0
            if chance < (0.55 if strong else 0.25):
                degree, quality = degrees[min(len(degrees) - 1, n * len(degrees) // steps)]
                if strong and chance < 0.4:
                    pitch = degree + TONES[quality][slot % 3]
                else:
                    position = int(np.clip(position + kind["contour"][slot % 64], 0, 13))
                    pitch = scale[position % 7] + 12 * (position // 7)
                pitch = 60 + self.tonic + pitch
                length = (1 if strong else 0.5) * (1.5 if chance < 0.1 else 0.9)
                self.note("lead", at + n / sub, length, pitch - 12 if pitch > 86 else pitch, 84)

    def drum_bar(self, pattern, at, last, within):
        rng, grid = self.rng, self.style["grid"]
        double = self.style.get("double", 1)
        for drum, line in pattern.items():
            steps = self.metre * grid
            offset = (within % double) * steps if double > 1 else 0
            for n in range(steps):
                stroke = line[(n + offset) % len(line)]
                if stroke == "." or stroke == "?" and rng.random() < 0.5:
                    continue
                if last and drum not in (KICK, HAT, SHAKER) and n >= steps * 3 // 4:
                    continue
                velocity = {"x": 96, "X": 116, "o": 56, "?": 80}[stroke]
                self.stroke(drum, at + n / grid, velocity)
        if last and rng.random() < 0.7 and self.metre > 2:
            for n in range(grid):
                self.stroke(rng.choice([38, 45, 47, 50]), at + self.metre - 1 + n / grid, 90 + 5 * n)
        if within == 0 and rng.random() < 0.5 and self.style["band"] not in ("electronic", "hiphop", "jazz"):
            self.stroke(49, at, 100)

    def stroke(self, drum, beat, velocity):
        velocity = int(np.clip(velocity + self.rng.gauss(0, 6 if not self.electronic else 2), 20, 127))
        self.drums.append((max(0.0, self.time(beat, 0.7)), drum, velocity))

    def midi(self, with_drums):
        """A file whose ticks are 0.05 ms."""
        out = pretty_midi.PrettyMIDI(resolution=10000, initial_tempo=120)
        bend = int(round(self.tuning / 200 * 8192))
        for part, notes in self.notes.items():
            track = pretty_midi.Instrument(self.programs[part])
            track.notes = [pretty_midi.Note(v, p, s, e) for s, e, p, v in notes]
            track.pitch_bends = [pretty_midi.PitchBend(bend, 0)]
            out.instruments.append(track)
        if with_drums:
            track = pretty_midi.Instrument(0, is_drum=True)
            track.notes = [pretty_midi.Note(v, d, t, t + 0.1) for t, d, v in self.drums]
            out.instruments.append(track)
        return out

    def truth(self):
        beats = [self.clock.at(b) for b in range(self.bars * self.metre)]
        periods = np.diff(beats)
        chords = []
        for begin, end, root, quality in self.chords:
            label = f"{NAMES[root]}:{quality}"
            begin, end = self.clock.at(begin), self.clock.at(end)
            if chords and chords[-1][2] == label and abs(chords[-1][1] - begin) < 1e-6:
                chords[-1][1] = end
            else:
                chords.append([begin, end, label])
        sounding = {"drums": [(t, t + 0.2) for t, _, _ in self.drums]}
        unsure = set()
        for part, notes in self.notes.items():
            if notes:
                name, either = families.label(self.programs[part])
                unsure |= set(either)
                if name:
                    sounding.setdefault(name, []).extend((s, e) for s, e, _, _ in notes)
        return dict(
            instruments={name: families.active(notes) for name, notes in sounding.items() if notes}, unsure=sorted(unsure),
            style=self.style_name, drift=self.drift, swing=self.swing16, electronic=self.electronic,
            bpm=self.bpm if self.drift == "none" else float(60 / np.median(periods)),
            beats=beats, downbeats=beats[:: self.metre],
            metre={2: "6/8", 3: "3/4", 4: "4/4"}[self.metre],
            tonic=NAMES[self.tonic], scale=self.scale, tuning=self.tuning, chords=chords,
            sections=[[self.clock.at(s * self.metre), self.clock.at((s + n) * self.metre), k] for s, n, k in self.sections],
        )


def fluidsynth(midi, font, gain=0.5, reverb=True):
    """Stereo samples of a MIDI file."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/a.mid", f"{folder}/a.wav"
        midi.write(source)
        subprocess.run(
            ["fluidsynth", "-ni", "-q", "-r", str(RATE), "-g", str(gain), "-R", str(int(reverb)), "-C", "0",
             "-O", "float", "-F", target, font, source],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        return soundfile.read(target, dtype="float32")[0]


def mp3_round_trip(path, kbps):
    coded = path.with_suffix(".mp3")
    quiet = ["ffmpeg", "-v", "error", "-y"]
    subprocess.run([*quiet, "-i", path, "-b:a", f"{kbps}k", coded], check=True)
    subprocess.run([*quiet, "-i", coded, "-c:a", "pcm_s16le", path], check=True)
    coded.unlink()


def finish(audio, rng, seconds):
    """Level, noise and a limiter, as chance has it."""
    audio = audio[: int(seconds * RATE)]
    audio = audio / max(1e-9, np.abs(audio).max())
    if rng.random() < 0.3:
        audio = np.tanh(audio * rng.uniform(1.5, 4))
        audio /= np.abs(audio).max()
    if rng.random() < 0.2:
        noise = np.random.default_rng(rng.randrange(1 << 30)).standard_normal(audio.shape)
        audio = audio + noise * 10 ** (rng.uniform(-45, -28) / 20)
    return (audio * 10 ** (rng.uniform(-14, -0.2) / 20)).clip(-1, 1)


def render(song, font, path, seconds):
    rng = song.rng
    own_kit = song.drums and (song.electronic or rng.random() < 0.15)
    audio = fluidsynth(song.midi(not own_kit), font, reverb=rng.random() < 0.7)
    if own_kit:
        kit = DrumKit(rng.randrange(1 << 30))
        drums = kit.render(song.drums, len(audio), rng.random() < 0.5)
        level = np.sqrt((audio**2).mean()) / max(1e-9, np.sqrt((drums**2).mean()))
        audio = audio + drums[:, None] * level * rng.uniform(0.8, 2.2)
    soundfile.write(path, finish(audio, rng, min(seconds, song.end + 1)), RATE, subtype="PCM_16")
    if rng.random() < 0.2:
        mp3_round_trip(path, rng.choice([64, 96, 128, 192]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--songs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("--fonts", nargs="+", required=True)
    parser.add_argument("--style")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for i in range(args.songs):
        seed = args.seed * 100_000 + i
        path = args.out / f"{seed}.wav"
        if path.with_suffix(".json").exists():
            continue
        song = Song(seed, args.seconds, args.style)
        font = args.fonts[i % len(args.fonts)]
        truth = song.truth() | {"font": Path(font).stem}
        render(song, font, path, args.seconds + 3)
        path.with_suffix(".json").write_text(json.dumps(truth))


if __name__ == "__main__":
    main()
