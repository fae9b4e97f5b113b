"""Drums from oscillators and noise, so that not every drum that is learnt from comes from a soundfont."""

import numpy as np
import scipy.signal

RATE = 44100


class DrumKit:
    """One kit: every seed sounds different."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        r = self.rng
        self.kick = self.tone(r.uniform(38, 62), r.uniform(2, 5), r.uniform(0.02, 0.05), r.uniform(0.12, 0.4), r.uniform(0, 0.3))
        body = self.tone(r.uniform(160, 240), 1.4, 0.02, r.uniform(0.08, 0.2), 0)
        self.snare = self.mix(body * r.uniform(0.2, 0.8), self.noise(r.uniform(0.1, 0.3), r.uniform(500, 2000)))
        self.clap = self.claps(r.uniform(0.1, 0.25))
        self.hat = self.noise(r.uniform(0.03, 0.08), r.uniform(5000, 8000)) * 0.4
        self.open = self.noise(r.uniform(0.15, 0.4), r.uniform(5000, 8000)) * 0.4
        self.rim = self.tone(r.uniform(500, 1700), 1, 0.01, 0.03, 0.3)
        self.tom = self.tone(r.uniform(90, 160), 1.5, 0.05, 0.25, 0.1)

    def tone(self, pitch, sweep, fall, decay, click):
        t = np.arange(int(RATE * decay * 5)) / RATE
        phase = 2 * np.pi * np.cumsum(pitch * (1 + (sweep - 1) * np.exp(-t / fall))) / RATE
        out = np.sin(phase) * np.exp(-t / decay) * np.minimum(1, t / 0.0005)
        n = int(RATE * 0.004)
        out[:n] += click * self.rng.standard_normal(n) * np.linspace(1, 0, n)
        return out

    def noise(self, decay, above):
        t = np.arange(int(RATE * decay * 5)) / RATE
        band = scipy.signal.butter(2, above, "high", fs=RATE, output="sos")
        out = scipy.signal.sosfilt(band, self.rng.standard_normal(len(t))) * np.exp(-t / decay)
        return out / np.abs(out).max()

    def claps(self, decay):
        tail = self.noise(decay, 900)
        out = np.zeros(len(tail) + RATE // 20)
        for delay, level in ((0, 0.6), (0.009, 0.6), (0.018, 1)):
            at = int(delay * RATE)
            short = tail if level == 1 else tail[: int(0.008 * RATE)]
            out[at : at + len(short)] += level * short
        return out

    @staticmethod
    def mix(a, b):
        out = np.zeros(max(len(a), len(b)))
        out[: len(a)] += a
        out[: len(b)] += b
        return out

    def sound(self, drum):
        names = {36: self.kick, 38: self.snare, 39: self.clap, 42: self.hat, 46: self.open, 37: self.rim, 70: self.hat,
                 49: self.open, 51: self.hat, 54: self.hat, 56: self.rim, 63: self.tom}
        return names.get(drum, self.tom)

    def render(self, strokes, length, reverb):
        out = np.zeros(length)
        for time, drum, velocity in strokes:
            sound = self.sound(drum) * (velocity / 127) ** 1.5
            at = int(time * RATE)
            end = min(length, at + len(sound))
            if end > at:
                out[at:end] += sound[: end - at]
        if reverb:
            n = int(RATE * self.rng.uniform(0.2, 0.8))
            tail = self.rng.standard_normal(n) * np.exp(-np.linspace(0, 7, n)) * 0.02
            out = out + scipy.signal.fftconvolve(out, tail)[:length]
        return out
