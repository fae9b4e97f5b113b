#!/usr/bin/env python3
"""Trains the instrument classifier on mixtures of the solos of solos.py, tests it on soundfonts that it never heard.

    instruments.py train SOLOS/own SOLOS/fluid … [--out ../src/instruments/weights.bin]
    instruments.py test SOLOS/tim …

Training mixes powers of mel bands, which is nearly what mixing sound gives and a hundred times as fast; tests mix sound.
What the program does with the weights is `src/instruments/`.
"""

import argparse
import struct
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluation"))
import families
from train import Net

RATE, SIZE, HOP = 22050, 1024, 442
BANDS, LOW, HIGH, FRAMES = 64, 40.0, 10000.0, 128
FLOOR = 1e-9
HIDDEN = 40
LABELS = families.LABELS


def filterbank():
    mel = lambda f: 1127 * np.log(1 + f / 700)
    hz = lambda m: 700 * (np.exp(m / 1127) - 1)
    edges = hz(np.linspace(mel(LOW), mel(HIGH), BANDS + 2))
    bins = np.arange(SIZE // 2 + 1) * RATE / SIZE
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.maximum(0, np.minimum(up, down))
    # a band narrower than a bin has the one that is nearest
    for row, centre in zip(weights, edges[1:-1]):
        if row.sum() == 0:
            row[int(round(centre * SIZE / RATE))] = 1
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


BANK = filterbank()
WINDOW = ((0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)) * 4 / SIZE).astype(np.float32)


def mel(audio):
    """Powers of bands, frame by frame."""
    x = np.pad(audio.astype(np.float32), SIZE // 2)
    frames = np.lib.stride_tricks.sliding_window_view(x, SIZE)[::HOP]
    return (np.abs(np.fft.rfft(frames * WINDOW)) ** 2).astype(np.float32) @ BANK.T


def inputs(power):
    """What the network is given of the powers [frame, band] of a window: of decibels below the loudest, 60 of them, the
    mean of each band, its deviation, the range that 80 % lie in, and its mean rise from frame to frame."""
    level = 10 * np.log10(power + FLOOR)
    level = np.clip((level - level.max() + 60) / 30, 0, 2) - 1
    ranked = np.sort(level, 0)
    low, high = ranked[len(level) // 10], ranked[len(level) - 1 - len(level) // 10]
    rise = np.maximum(np.diff(level, axis=0), 0).mean(0) * 10
    return np.concatenate([level.mean(0), 2 * level.std(0), high - low, rise])


def truth_of(path):
    """The label of a solo and the labels that it neither is nor is not."""
    kind, number = path.stem.split("-")
    if kind in ("drums", "kit"):
        return "drums", ()
    return ("voice", ()) if kind == "voice" else families.label(int(number))


class Mixer:
    """Windows of random mixtures, as powers."""

    def __init__(self, folders, seed=0):
        self.rng = np.random.default_rng(seed)
        self.by_label = {}
        for folder in folders:
            for path in sorted(Path(folder).glob("*.wav")):
                label, unsure = truth_of(path)
                audio = soundfile.read(path, dtype="float32")[0]
                for shift in (-2.6, 0, 2.9):
                    at = np.arange(0, len(audio) - 1, 2 ** (shift / 12))
                    self.by_label.setdefault(label, []).append((mel(np.interp(at, np.arange(len(audio)), audio)), unsure))

    def eq(self):
        r, x = self.rng, np.linspace(-1, 1, BANDS)
        curve = r.normal(0, 4) * x + r.normal(0, 3) * np.cos(3 * x + r.uniform(0, 6)) + r.normal(0, 2) * np.cos(7 * x + r.uniform(0, 6))
        return 10 ** (curve / 10)

    def window(self):
        r = self.rng
        power = np.zeros((FRAMES, BANDS))
        y, mask = np.zeros(len(LABELS)), np.ones(len(LABELS))
        count = 0 if r.random() < 0.03 else r.integers(1, 8)
        names = list(r.choice(len(LABELS), min(count, len(LABELS)), replace=False))
        sources = [(LABELS[n], n) for n in names] + ([(None, None)] if r.random() < 0.35 else [])
        heard = []
        for label, index in sources:
            solos = self.by_label[label]
            mels, unsure = solos[r.integers(len(solos))]
            start = r.integers(0, max(1, len(mels) - FRAMES))
            part = mels[start : start + FRAMES]
            part = np.pad(part, ((0, FRAMES - len(part)), (0, 0))) * self.eq()
            if r.random() < 0.3:
                decay = np.exp(-np.arange(40) / r.uniform(3, 15))
                tail = np.apply_along_axis(lambda c: np.convolve(c, decay)[:FRAMES], 0, part)
                part = part + tail * r.uniform(0.02, 0.15)
            total = part.sum(1).mean()
            if total < 1e-9:
                continue
            gain = 10 ** (r.uniform(-14, 4) / 10) / total * (1.5 if index == 0 else 1)
            part = part * gain
            power += part
            heard.append((index, unsure, part.sum()))
        for index, unsure, energy in heard:
            for u in unsure:
                mask[LABELS.index(u)] = 0
            if index is not None:
                if energy > 10 ** -2.2 * power.sum():
                    y[index] = 1
                else:
                    mask[index] = 0
        mask = np.where(y > 0, 1, mask)
        noise = r.normal(0, 0.25, power.shape)
        power = power * np.exp(noise * r.random())
        hiss = 10 ** r.uniform(-7, -2.3) if r.random() < 0.5 else 1e-8
        tilt = 10 ** (np.linspace(r.uniform(-2, 2), 0, BANDS))
        power = power + hiss * r.exponential(1, power.shape) * tilt * (power.max() if heard else 1) / BANDS
        if r.random() < 0.2:
            power[:, int(r.uniform(40, 64)) :] *= 1e-6
        return inputs(power), y, mask

    def windows(self, count):
        x, y, mask = zip(*(self.window() for _ in range(count)))
        return np.array(x), np.array(y), np.array(mask)


def mixtures(folders, count, seconds=20, seed=7):
    """Sound of 1 to 9 random instruments, and which of them there are."""
    rng = np.random.default_rng(seed)
    paths = [p for f in folders for p in sorted(Path(f).glob("*.wav"))]
    drums = [p for p in paths if p.stem.startswith(("drums", "kit"))]
    rest = [p for p in paths if p not in drums]
    for _ in range(count):
        chosen = [rest[i] for i in rng.choice(len(rest), rng.integers(1, 9), replace=False)]
        chosen += [drums[rng.integers(len(drums))]] if rng.random() < 0.55 and drums else []
        audio, y, mask = np.zeros(int(seconds * RATE)), np.zeros(len(LABELS)), np.ones(len(LABELS))
        for path in chosen:
            part = soundfile.read(path, dtype="float32")[0][: len(audio)]
            audio[: len(part)] += part / max(1e-6, np.sqrt((part**2).mean())) * 10 ** (rng.uniform(-10, 2) / 20)
            label, unsure = truth_of(path)
            for u in unsure:
                mask[LABELS.index(u)] = 0
            if label:
                y[LABELS.index(label)] = 1
        yield audio / np.abs(audio).max() * 0.8, y, np.where(y > 0, 1, mask)


def average_precision(y, p, mask):
    use = mask > 0
    y, p = y[use], p[use]
    order = np.argsort(-p)
    hits = np.cumsum(y[order])
    return float((hits / np.arange(1, len(y) + 1))[y[order] > 0].mean()) if y.sum() else float("nan")


def pooled(p):
    """A track from its windows: the mean of the surest quarter."""
    top = max(1, -(-len(p) // 4))
    return np.sort(p, 0)[-top:].mean(0)


def probabilities(net, x):
    return 1 / (1 + np.exp(-net.forward(x)[1]))


def judge(net, folders, count=100, seed=7):
    ys, ps, ms = [], [], []
    for audio, y, mask in mixtures(folders, count, seed=seed):
        power = mel(audio)
        cut = np.stack([inputs(power[i : i + FRAMES]) for i in range(0, len(power) - FRAMES + 1, FRAMES)])
        ps.append(pooled(probabilities(net, cut)))
        ys.append(y)
        ms.append(mask)
    return np.array(ys), np.array(ps), np.array(ms)


def table(name, y, p, m):
    ap = [average_precision(y[:, i], p[:, i], m[:, i]) for i in range(len(LABELS))]
    chance = np.nanmean([y[m[:, i] > 0, i].mean() for i in range(len(LABELS))])
    guess, use = p > 0.5, m > 0
    f1 = 2 * (guess & (y > 0) & use).sum() / ((guess & use).sum() + ((y > 0) & use).sum())
    print(f"{name}: mAP {np.nanmean(ap):.3f} (chance {chance:.2f}), micro-F1 at 0.5 {f1:.3f}; "
          + ", ".join(f"{l} {a:.2f}" for l, a in zip(LABELS, ap)), flush=True)


def write(net, path):
    """Weights and bias of the hidden units, weights of these and of the inputs and bias of the outputs; of each its scale
    (f32), then 16-bit integers, little endian."""
    with open(path, "wb") as out:
        for values in net.p:
            scale = max(1e-12, np.abs(values).max()) / 32767
            out.write(struct.pack("<f", scale))
            out.write(np.round(values / scale).astype("<i2").tobytes())


def read(path):
    net, data = Net(4 * BANDS, HIDDEN, len(LABELS)), path.read_bytes()
    for i, values in enumerate(net.p):
        scale = struct.unpack("<f", data[:4])[0]
        net.p[i] = (np.frombuffer(data[4 : 4 + 2 * values.size], "<i2") * scale).reshape(values.shape)
        data = data[4 + 2 * values.size :]
    return net


def train(args):
    begin = time.time()
    mixer = Mixer(args.folders)
    print(f"{sum(map(len, mixer.by_label.values()))} solos, {time.time() - begin:.0f} s", flush=True)
    x, y, mask = mixer.windows(args.windows)
    print(f"{len(x)} windows, {time.time() - begin:.0f} s", flush=True)
    net = Net(x.shape[1], HIDDEN, len(LABELS))
    net.train(x, lambda s: (1 / (1 + np.exp(-s)) - y) * mask / len(x), steps=args.steps, rate=0.01, decay=args.decay, noise=0.1)
    write(net, args.out)
    print(f"{time.time() - begin:.0f} s", flush=True)
    table("new mixtures of the instruments of training", *judge(net, args.folders, 60))


def test(args):
    for folder in args.folders:
        table(folder.name, *judge(read(args.out), [folder], args.songs))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["train", "test"])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "src/instruments/weights.bin")
    parser.add_argument("--windows", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--decay", type=float, default=1e-3)
    parser.add_argument("--songs", type=int, default=100)
    args = parser.parse_args()
    globals()[args.action](args)


if __name__ == "__main__":
    main()
