#!/usr/bin/env python3
"""Trains the small models: train.py octave|downbeat|metre|chords FOLDER… [--analyze PROGRAM]

Folders hold songs with their truth, as `evaluation/generate.py` writes them. The weights are written into the sources
(`src/rhythm/weights.rs`, `src/harmony/models.rs`); the metre model is trained after the program has been built with
the weights of the downbeat model. See README.md for the data and the figures.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import mir_eval
import numpy as np

HERE = Path(__file__).resolve().parent
RHYTHM = HERE.parent / "src/rhythm/weights.rs"
CHORDS = HERE.parent / "src/harmony/models.rs"
NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
FLATS = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#", "Cb": "B", "Fb": "E"}
METRES = ["4/4", "3/4", "6/8"]


def songs(folders, program, given_tempo):
    """Truth and evidence of each song."""
    for folder in folders:
        truths = {p.stem: json.loads(p.read_text()) for p in sorted(folder.glob("*.json"))}
        runs = [[]] if not given_tempo else [[n] for n in truths]
        for names in runs:
            extra = []
            if names:
                bpm = truths[names[0]]["bpm"]
                extra = ["--bpm", str(bpm * 0.96), str(bpm * 1.04)]
            files = [str(folder / f"{n}.wav") for n in names or truths]
            out = subprocess.run([program, "--evidence", *extra, *files], capture_output=True, text=True, check=True).stdout
            for line in out.splitlines():
                value = json.loads(line)
                yield truths[Path(value["file"]).stem], value["evidence"]


def f_measure(truth, guess):
    truth, guess = np.array(truth), np.array(guess)
    return mir_eval.beat.f_measure(truth, guess) if len(truth) and len(guess) else 0.0


class Net:
    """Inputs, hidden hyperbolic tangents, outputs that see both."""

    def __init__(self, inputs, hidden, outputs, seed=0):
        rng = np.random.default_rng(seed)
        self.p = [rng.standard_normal((hidden, inputs)) * 0.5 / np.sqrt(inputs), np.zeros(hidden),
                  rng.standard_normal((outputs, hidden)) * 0.1, np.zeros((outputs, inputs)), np.zeros(outputs)]

    def forward(self, x):
        h = np.tanh(x @ self.p[0].T + self.p[1])
        return h, h @ self.p[2].T + x @ self.p[3].T + self.p[4]

    def train(self, x, gradient, steps=800, rate=0.01, decay=1e-3, noise=0.1, seed=1):
        """`gradient(scores)` is the derivative of the loss by the scores."""
        rng = np.random.default_rng(seed)
        m, v = [np.zeros_like(p) for p in self.p], [np.zeros_like(p) for p in self.p]
        for step in range(1, steps + 1):
            noisy = x + noise * rng.standard_normal(x.shape)
            h, scores = self.forward(noisy)
            g = gradient(scores)
            back = (g @ self.p[2]) * (1 - h**2)
            grads = [back.T @ noisy, back.sum(0), g.T @ h, g.T @ noisy, g.sum(0)]
            for i, grad in enumerate(grads):
                if self.p[i].ndim == 2:
                    grad = grad + decay * self.p[i]
                m[i] = 0.9 * m[i] + 0.1 * grad
                v[i] = 0.99 * v[i] + 0.01 * grad**2
                lr = rate * (1 - step / (steps + 1))
                self.p[i] = self.p[i] - lr * (m[i] / (1 - 0.9**step)) / (np.sqrt(v[i] / (1 - 0.99**step)) + 1e-8)


def standard(x):
    mean, deviation = x.mean(0), x.std(0)
    scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0)
    return mean, scale


def scaled(x, mean, scale):
    return np.clip((x - mean) * scale, -4, 4)


def number(value):
    text = f"{value:.5g}"
    if "e" in text:
        text = f"{value:.8f}".rstrip("0")
        text += "0" if text.endswith(".") else ""
    text = "0.0" if text in ("-0.0", "-0") else text
    return text if "." in text else f"{text}.0"


def array(values):
    return "[" + ", ".join(number(v) for v in values) + "]"


def write(name, net, mean, scale):
    """Replaces one network in the sources."""
    hidden = ", ".join("&" + array([*w, b]) for w, b in zip(net.p[0], net.p[1]))
    output = ", ".join("&" + array([*a, *b, c]) for a, b, c in zip(net.p[2], net.p[3], net.p[4]))
    text = (f"pub(super) const {name}: Network = Network {{ mean: &{array(mean)}, scale: &{array(scale)}, "
            f"hidden: &[{hidden}], output: &[{output}] }};")
    source = RHYTHM.read_text()
    source = re.sub(rf"pub\(super\) const {name}: Network = .*?;\n", lambda _: text + "\n", source, flags=re.S)
    RHYTHM.write_text(source)
    subprocess.run(["rustfmt", "--edition", "2024", "--config-path", str(HERE.parents[2]), str(RHYTHM)], check=True)


def softmax(scores):
    odds = np.exp(scores - scores.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def folds(count, k=5):
    order = np.random.default_rng(5).permutation(count)
    return [np.isin(np.arange(count), order[i::k]) for i in range(k)]


def octave(args):
    x, group, target, styles = [], [], [], []
    for truth, seen in songs(args.folders, args.analyze, False):
        candidates = seen["rhythm"]["candidates"]
        fits = [f_measure(truth["beats"], c["beats"]) - 2 * (abs(c["bpm"] / truth["bpm"] - 1) > 0.04) for c in candidates]
        if not fits or max(fits) < 0.4:
            print("not among the candidates:", truth["style"], round(truth["bpm"], 1), max(fits, default=0),
                  sorted({round(c["bpm"], 1) for c in candidates}))
            continue
        for i, c in enumerate(candidates):
            x.append(c["features"])
            group.append(len(styles))
            target.append(float(i == int(np.argmax(fits))))
        styles.append(truth["style"])
    x, group, target = np.array(x), np.array(group), np.array(target)
    mean, scale = standard(x)
    x = scaled(x, mean, scale)
    count = len(styles)

    def fit(use):
        rows = use[group]
        g, t = group[rows], target[rows]

        def gradient(scores):
            odds = np.exp(scores[:, 0] - scores[:, 0].max())
            total = np.bincount(g, odds, minlength=count)[g]
            return ((odds / total - t) / use.sum())[:, None]

        net = Net(x.shape[1], args.hidden, 1)
        net.train(x[rows], gradient, decay=args.decay, noise=args.noise)
        return net

    def hits(net, use):
        scores = net.forward(x)[1][:, 0]
        right = []
        for song in np.flatnonzero(use):
            rows = np.flatnonzero(group == song)
            right.append(target[rows[np.argmax(scores[rows])]])
        return np.array(right)

    held = [hits(fit(~f), f).mean() for f in folds(count)]
    print(f"octave: {count} songs, right among candidates in held-out fifths: {100 * np.mean(held):.1f} %")
    net = fit(np.ones(count, bool))
    print(f"on its own data: {100 * hits(net, np.ones(count, bool)).mean():.1f} %")
    write("OCTAVE", net, mean, scale)


def rhythm_of_given_tempo(args):
    for truth, seen in songs(args.folders, args.analyze, True):
        if seen["rhythm"]["beats"] and truth["metre"]:
            yield truth, seen["rhythm"]


def downbeat(args):
    x, y, song = [], [], []
    for number_, (truth, seen) in enumerate(rhythm_of_given_tempo(args)):
        beats, bars = np.array(truth["beats"]), np.array(truth["downbeats"])
        for time, inputs in zip(seen["beats"], seen["downbeat_inputs"]):
            if np.abs(beats - time).min() < 0.07:
                x.append(inputs)
                y.append(float(np.abs(bars - time).min() < 0.07))
                song.append(number_)
    x, y, song = np.array(x), np.array(y), np.array(song)
    mean, scale = standard(x)
    x = scaled(x, mean, scale)

    def fit(use):
        net = Net(x.shape[1], args.hidden, 1)
        net.train(x[use], lambda s: (1 / (1 + np.exp(-s)) - y[use][:, None]) / use.sum(), decay=args.decay, noise=args.noise)
        return net

    held = []
    for f in folds(song.max() + 1):
        use = ~f[song]
        p = 1 / (1 + np.exp(-fit(use).forward(x[~use])[1][:, 0]))
        held.append(-np.mean(np.log(np.where(y[~use] > 0, p, 1 - p) + 1e-9)))
    print(f"downbeat: {len(y)} beats of {song.max() + 1} songs, log loss in held-out fifths {np.mean(held):.4f}, "
          f"of the mean {-(y.mean() * np.log(y.mean()) + (1 - y.mean()) * np.log(1 - y.mean())):.4f}")
    write("DOWNBEAT", fit(np.ones(len(y), bool)), mean, scale)


def metre(args):
    x, y = [], []
    for truth, seen in rhythm_of_given_tempo(args):
        x.append(seen["metre_features"])
        y.append(METRES.index(truth["metre"]))
    x, y = np.array(x), np.array(y)
    mean, scale = standard(x)
    x, want = scaled(x, mean, scale), np.eye(3)[y]

    def fit(use):
        net = Net(x.shape[1], args.hidden, 3)
        net.train(x[use], lambda s: (softmax(s) - want[use]) / use.sum(), decay=args.decay, noise=args.noise)
        return net

    held = [(fit(~f).forward(x[f])[1].argmax(1) == y[f]).mean() for f in folds(len(y))]
    print(f"metre: {len(y)} songs, right in held-out fifths {100 * np.mean(held):.1f} %")
    write("METRE", fit(np.ones(len(y), bool)), mean, scale)


def chords(args):
    """One weight per pitch class above the root, shared by all roots."""
    x, y, song = [], [], []
    for number_, (truth, seen) in enumerate(songs(args.folders, args.analyze, False)):
        for span in seen["spans"]:
            middle = sum(span["time"]) / 2
            label = next((c for a, b, c in truth["chords"] if a + 0.05 < middle < b - 0.05), None)
            if label is None:
                continue
            if label == "N":
                state = 36
            else:
                root, _, quality = label.partition(":")
                root, quality = FLATS.get(root, root), quality.split("/")[0]
                kind = next((k for k, names in enumerate((("maj", "maj7", "maj6", "6"), ("min", "min7", "min6"), ("7", "9"))) if quality in names), None)
                if kind is None or root not in NAMES:
                    continue
                state = 12 * kind + NAMES.index(root)
            x.append(span["features"])
            y.append(state)
            song.append(number_)
    x, y, song = np.array(x), np.array(y), np.array(song)
    turned = np.stack([np.concatenate([np.roll(x[:, :12], -r, 1), np.roll(x[:, 12:], -r, 1)], 1) for r in range(12)], 1)
    want = np.eye(37)[y]
    w, b = np.zeros((4, 24)), np.zeros(4)

    def scores(w, b, turned):
        s = np.concatenate([turned @ w[k] + b[k] for k in range(3)], 1)
        return np.concatenate([s, np.full((len(s), 1), b[3])], 1)

    def fit(use):
        w, b = np.zeros((3, 24)), np.zeros(4)
        m = [np.zeros_like(w), np.zeros_like(b)]
        v = [np.zeros_like(w), np.zeros_like(b)]
        for step in range(1, 400):
            g = (softmax(scores(w, b, turned[use])) - want[use]) / use.sum()
            gw = np.stack([np.einsum("nr,nri->i", g[:, 12 * k : 12 * k + 12], turned[use]) for k in range(3)]) + args.decay * w
            gb = np.array([g[:, 12 * k : 12 * k + 12].sum() for k in range(3)] + [g[:, 36].sum()])
            for i, (p, grad) in enumerate(((w, gw), (b, gb))):
                m[i] = 0.9 * m[i] + 0.1 * grad
                v[i] = 0.99 * v[i] + 0.01 * grad**2
                p -= 0.1 * (1 - step / 400) * (m[i] / (1 - 0.9**step)) / (np.sqrt(v[i] / (1 - 0.99**step)) + 1e-8)
        return w, b

    held = []
    for f in folds(song.max() + 1)[:2]:
        use = ~f[song]
        held.append((scores(*fit(use), turned[~use]).argmax(1) == y[~use]).mean())
    print(f"chords: {len(y)} spans of {song.max() + 1} songs, right in held-out fifths {100 * np.mean(held):.1f} %")
    w, b = fit(np.ones(len(y), bool))
    rows = ", ".join(array(r) for r in w)
    source = CHORDS.read_text()
    source = re.sub(r"(CHORD_WEIGHTS: .*?= ).*?;\n", lambda m: f"{m[1]}[{rows}];\n", source, flags=re.S, count=1)
    source = re.sub(r"(CHORD_BIAS: .*?= ).*?;\n", lambda m: f"{m[1]}{array(b[:3])};\n", source, flags=re.S, count=1)
    source = re.sub(r"(NONE_BIAS: f32 = ).*?;\n", lambda m: f"{m[1]}{number(b[3])};\n", source, count=1)
    CHORDS.write_text(source)
    subprocess.run(["rustfmt", "--edition", "2024", "--config-path", str(HERE.parents[2]), str(CHORDS)], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=["octave", "downbeat", "metre", "chords"])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--analyze", default="target/release/examples/analyze")
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--decay", type=float, default=1e-3)
    parser.add_argument("--noise", type=float, default=0.15)
    args = parser.parse_args()
    if args.hidden is None:
        args.hidden = {"octave": 8, "downbeat": 12, "metre": 4, "chords": 0}[args.model]
    globals()[args.model](args)


if __name__ == "__main__":
    sys.exit(main())
