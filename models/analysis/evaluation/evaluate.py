#!/usr/bin/env python3
"""Compares analyses with the truth: evaluate.py FOLDER… [--analyze PROGRAM] [--others] [--worst] [--reliability]

A folder holds `<name>.wav` and `<name>.json` as `generate.py` and `pop909.py` write them. The metrics are those of
mir_eval and MIREX: tempo within 4 % (Acc1) or also its half, double, third or triple (Acc2); F-measure of beats and
downbeats within 70 ms from 5 s on; weighted key score (1, 0.5 a fifth, 0.3 relative, 0.2 parallel); overlap of major and
minor chords. `--others` adds librosa and, where it is installed, essentia.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import mir_eval
import numpy as np

from families import LABELS

KEYS = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
# from the note to a tenth of the peak of a closed hi-hat, rendered by fluidsynth 2.3 with a soundfont, in seconds
LATENCY = {"FluidR3_GM": 0.0032, "MuseScore_General_Lite": 0.0032, "TimGM6mb": 0.0035, "sf_GMbank": 0.0035, "OPL-3_FM_128M": 0.0098}
FLATS = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#"}


def ours(program, files, extra=()):
    """Analyses by file name, from one run of the program."""
    run = subprocess.run([program, *extra, *map(str, files)], capture_output=True, text=True)
    if run.returncode:
        print(run.stderr, file=sys.stderr)
    results = {}
    for line in run.stdout.splitlines():
        value = json.loads(line)
        results[Path(value["file"]).stem] = value
    return results


def normal(analysis):
    """The form that is compared."""
    tempo, key = analysis["tempo"] or {}, analysis["key"] or {}
    return dict(
        bpm=tempo.get("bpm"), candidates=[c["bpm"] for c in tempo.get("candidates", [])], beats=tempo.get("beats", []),
        downbeats=tempo.get("downbeats", []), metre=tempo.get("time_signature"), tonic=key.get("tonic"),
        scale=key.get("scale"), tuning=key.get("tuning_cents"), sections=analysis["sections"],
        chords=[(c["start"], c["end"], harte(c["label"])) for c in analysis["chords"]],
    )


def harte(label):
    if label == "N":
        return label
    for suffix, quality in (("m", "min"), ("7", "7")):
        if label.endswith(suffix):
            return f"{label[:-1]}:{quality}"
    return f"{label}:maj"


def librosa_of(path):
    import librosa

    audio, rate = librosa.load(path)
    bpm, beats = librosa.beat.beat_track(y=audio, sr=rate, units="time")
    chroma = librosa.feature.chroma_cqt(y=audio, sr=rate).mean(axis=1)
    major = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
    minor = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
    scores = [np.corrcoef(chroma, np.roll(p, i))[0, 1] for p in (major, minor) for i in range(12)]
    best = int(np.argmax(scores))
    tuning = float(librosa.estimate_tuning(y=audio, sr=rate) * 100)
    return dict(bpm=float(np.atleast_1d(bpm)[0]), beats=list(beats), tonic=KEYS[best % 12],
                scale="major" if best < 12 else "minor", tuning=tuning)


def essentia_of(path):
    import essentia
    import essentia.standard as es

    essentia.log.infoActive = False
    essentia.log.warningActive = False
    audio = es.MonoLoader(filename=str(path), sampleRate=44100)()
    bpm, beats, _, _, _ = es.RhythmExtractor2013(method="multifeature")(audio)
    tonic, scale, _ = es.KeyExtractor(profileType="shaath")(audio)
    return dict(bpm=float(bpm), beats=list(map(float, beats)), tonic=FLATS.get(tonic, tonic), scale=scale)


def within(a, b, tolerance=0.04):
    return a is not None and abs(a - b) <= tolerance * b


def key_score(truth, guess):
    if guess.get("tonic") is None:
        return 0.0
    t, g = KEYS.index(truth["tonic"]), KEYS.index(guess["tonic"])
    same = truth["scale"] == guess["scale"]
    if t == g:
        return 1.0 if same else 0.2
    if same:
        return 0.5 if (g - t) % 12 in (7, 5) else 0.0
    relative = (t + 9) % 12 if truth["scale"] == "major" else (t + 3) % 12
    return 0.3 if g == relative else 0.0


def f_measure(truth, guess):
    truth, guess = np.array(truth), np.array(guess, dtype=float)
    truth, guess = truth[truth >= 5], guess[guess >= 5]
    if len(guess) == 0:
        return 0.0
    return mir_eval.beat.f_measure(truth, guess)


def offset(truth, guess):
    """Median signed distance of the beats from the nearest true one, in ms, of those within 70 ms."""
    truth, guess = np.array(truth), np.array(guess)
    if len(guess) == 0 or len(truth) == 0:
        return None
    off = np.array([g - truth[np.argmin(np.abs(truth - g))] for g in guess])
    off = off[np.abs(off) < 0.07]
    return float(np.median(off) * 1000) if len(off) else None


def chord_overlap(truth, guess, kind):
    spans = np.array([[a, b] for a, b, _ in truth])
    labels = [c for _, _, c in truth]
    theirs = np.array([[a, b] for a, b, _ in guess])
    names = [c for _, _, c in guess]
    theirs, names = mir_eval.util.adjust_intervals(theirs, names, spans.min(), spans.max(), "N", "N")
    span, a, b = mir_eval.util.merge_labeled_intervals(spans, labels, theirs, names)
    return mir_eval.chord.weighted_accuracy(getattr(mir_eval.chord, kind)(a, b), mir_eval.util.intervals_to_durations(span))


def measure(truth, guess, row):
    """Adds the figures of one song to `row`."""
    bpm = truth["bpm"]
    if bpm:
        exact = within(guess["bpm"], bpm)
        row["acc1"].append(exact)
        row["acc2"].append(any(within(guess["bpm"], bpm * r) for r in (1, 2, 0.5, 3, 1 / 3)))
        if "candidates" in guess:
            row["listed"].append(any(within(c, bpm) for c in guess["candidates"]))
        if exact and truth["drift"] == "none":
            row["bpm_err"].append(abs(guess["bpm"] - bpm))
    if truth["beats"]:
        row["beat_f"].append(f_measure(truth["beats"], guess["beats"]))
        late = 0 if truth.get("electronic") else LATENCY.get(truth["font"], 0)
        moved = offset(np.array(truth["beats"]) + late, guess["beats"])
        if moved is not None:
            row["offset"].append(moved)
            row["within5"].append(abs(moved) <= 5)
        if "downbeats" in guess:
            row["down_f"].append(f_measure(truth["downbeats"], guess["downbeats"]))
            if truth["metre"]:
                row["metre"].append(guess["metre"] == truth["metre"])
    if truth["tonic"]:
        row["key"].append(key_score(truth, guess))
        row["key_exact"].append(row["key"][-1] == 1)
    # one soundfont is 13 cents flat itself
    if truth["tuning"] is not None and not truth["font"].startswith("OPL") and guess.get("tuning") is not None:
        error = (guess["tuning"] - truth["tuning"] + 50) % 100 - 50
        row["tuning"].append(abs(error))
    if truth["chords"] and guess.get("chords"):
        row["majmin"].append(chord_overlap(truth["chords"], guess["chords"], "majmin"))
        row["sevenths"].append(chord_overlap(truth["chords"], guess["chords"], "sevenths"))
    if truth["sections"] and guess.get("sections"):
        spans = np.array([s[:2] for s in truth["sections"]])
        found = np.array([[s["start"], s["end"]] for s in guess["sections"]])
        row["sect_f3"].append(mir_eval.segment.detection(spans, found, window=3, trim=True)[2])
        row["sect_f05"].append(mir_eval.segment.detection(spans, found, window=0.5, trim=True)[2])
        names = [s[2] for s in truth["sections"]]
        start, end = spans.min(), min(spans.max(), found.max())
        def cut(spans, names):
            spans, names = mir_eval.util.adjust_intervals(spans, names, start, end)
            return spans - start, names

        theirs = cut(found, [s["label"] for s in guess["sections"]])
        row["letters"].append(mir_eval.segment.pairwise(*cut(spans, names), *theirs)[2])


COLUMNS = [("acc1", 100, 1), ("acc2", 100, 1), ("listed", 100, 1), ("bpm_err", 1, 3), ("beat_f", 1, 3), ("offset", 1, 1), ("within5", 100, 1),
           ("down_f", 1, 3), ("metre", 100, 1), ("key", 100, 1), ("key_exact", 100, 1), ("tuning", 1, 1), ("majmin", 100, 1),
           ("sevenths", 100, 1), ("sect_f3", 1, 2), ("sect_f05", 1, 2), ("letters", 1, 2)]
BINS = (0, 0.5, 0.7, 0.85, 0.95, 1.001)


def reliability(truths, results):
    """Of answers with a confidence, how many are right."""
    said = {"tempo": [], "key": []}
    for name, truth in truths.items():
        tempo, key = results[name]["analysis"]["tempo"], results[name]["analysis"]["key"]
        if tempo and truth["bpm"]:
            said["tempo"].append((tempo["confidence"], within(tempo["bpm"], truth["bpm"])))
        if key and truth["tonic"]:
            said["key"].append((key["confidence"], (key["tonic"], key["scale"]) == (truth["tonic"], truth["scale"])))
    print("| | confidence | answers | mean confidence | right |\n|---|---|---|---|---|")
    for what, answers in said.items():
        answers = np.array(answers, dtype=float)
        for low, high in zip(BINS, BINS[1:]):
            part = answers[(answers[:, 0] >= low) & (answers[:, 0] < high)]
            if len(part):
                print(f"| {what} | {low}–{min(high, 1)} | {len(part)} | {part[:, 0].mean():.2f} | {part[:, 1].mean():.2f} |")


def instruments(truths, results):
    """Average precision of each instrument over the songs; where a song leaves it open, the song does not count."""
    cells, scores = [], []
    for label in LABELS:
        said = []
        for name, truth in truths.items():
            if "instruments" in truth and (label in truth["instruments"] or label not in truth["unsure"]):
                found = {i["label"]: i["confidence"] for i in results[name]["analysis"]["instruments"]}
                said.append((found.get(label, 0.0), label in truth["instruments"]))
        said.sort(reverse=True)
        hits = np.array([s[1] for s in said], dtype=float)
        if hits.any():
            precision = (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits > 0].mean()
            scores.append((precision, hits.mean()))
            cells.append(f"{label} {precision:.2f} ({hits.mean():.2f})")
    if scores:
        precision, chance = np.mean(scores, 0)
        print(f"instruments: mAP {precision:.3f}, chance {chance:.3f}: " + ", ".join(cells))


MEDIANS = {"bpm_err", "offset", "tuning"}


def table(rows):
    print("| system | n | " + " | ".join(c for c, _, _ in COLUMNS) + " |")
    print("|" + "---|" * (len(COLUMNS) + 2))
    for name, row in rows.items():
        cells = []
        for column, scale, digits in COLUMNS:
            values = row[column]
            value = np.median(values) if column in MEDIANS else np.mean(values) * scale
            cells.append(f"{value:.{digits}f}" if values else "–")
        print(f"| {name} | {len(row['acc1'])} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--analyze", default="target/release/examples/analyze")
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--worst", action="store_true")
    parser.add_argument("--reliability", action="store_true")
    parser.add_argument("--limit", type=int)
    args = parser.parse_args()
    for folder in args.folders:
        truths = {p.stem: json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))[: args.limit]}
        files = [folder / f"{name}.wav" for name in truths]
        raw = ours(args.analyze, files)
        results = {n: normal(v["analysis"]) for n, v in raw.items()}
        rows = {"harmonix": defaultdict(list)}
        for name, truth in truths.items():
            song = defaultdict(list)
            measure(truth, results[name], song)
            for column, values in song.items():
                rows["harmonix"][column] += values
            if args.worst:
                complain(name, truth, results[name], song)
        if args.others:
            for system, of in (("librosa", librosa_of), ("essentia", essentia_of)):
                try:
                    rows[system] = defaultdict(list)
                    for name, truth in truths.items():
                        measure(truth, of(folder / f"{name}.wav"), rows[system])
                except ImportError:
                    del rows[system]
        print(f"\n{folder.name}: {len(truths)} songs")
        table(rows)
        if args.reliability:
            reliability(truths, raw)
            instruments(truths, raw)


def complain(name, truth, guess, song):
    tag = f"{name} {truth['style']:9} {truth['font'][:8]:8} {truth['drift']:5}"
    if song["acc1"] == [False]:
        print(f"{tag} tempo {truth['bpm']:.2f} → {guess['bpm']} of {guess['candidates']}")
    elif song["beat_f"] and song["beat_f"][0] < 0.9:
        print(f"{tag} beats {song['beat_f'][0]:.2f} at {truth['bpm']:.2f}, offset {song['offset']}")
    if song["metre"] == [False]:
        print(f"{tag} metre {truth['metre']} → {guess['metre']}")
    elif song["down_f"] and song["down_f"][0] < 0.5 and song["acc1"] == [True]:
        print(f"{tag} downbeats {song['down_f'][0]:.2f}")
    if song["key"] and song["key"][0] < 1:
        print(f"{tag} key {truth['tonic']} {truth['scale']} → {guess['tonic']} {guess['scale']}")
    if song["tuning"] and song["tuning"][0] > 6:
        print(f"{tag} tuning {truth['tuning']:.1f} → {guess['tuning']}")


if __name__ == "__main__":
    main()
