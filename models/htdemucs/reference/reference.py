#!/usr/bin/env python3
"""Runs the reference implementation (the package `demucs`, PyTorch) with weights made here, for parity and benchmarks.

  reference.py vectors FOLDER           small networks: what they compute is committed and compared in every test run
  reference.py full FOLDER [MODEL…]     networks of the published size: checkpoints, a song and the reference's stems
  reference.py weights FOLDER [MODEL…]  the same without running the reference
  reference.py time FOLDER MODEL        the reference's time and memory on FOLDER/song.f32, as JSON

Weights and audio come from a generator that the Rust side has too (SplitMix64), so no weights are committed.
Needs: pip install torch==2.13.0 demucs numpy
"""

import json
import math
import random
import resource
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from demucs.apply import BagOfModels, apply_model
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from safetensors.torch import save_file

MASK = (1 << 64) - 1


def split_mix(seed, count):
    """SplitMix64 (Steele, Lea, Flood 2014) from `seed`: `count` values as uint64."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed & MASK) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, count):
    """`count` values in [-1, 1), the same for the same name (FNV-1a)."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    return (split_mix(seed, count) >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1.0


def fill(model, prefix=""):
    """Trained-like weights: norms away from one, layer scales that hide nothing, gains that keep the signal's size."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            u = uniform(prefix + name, tensor.numel())
            if name.endswith(".scale"):
                u = 0.55 + 0.45 * u
            elif tensor.dim() == 1:
                norm = ".norm" in name and name.endswith("weight") or norm_of_dconv(name)
                u = 1.0 + 0.3 * u if norm else 0.1 * u
            else:
                fan = tensor.numel() / tensor.shape[0]
                u = u * math.sqrt(3.0 / fan)
            tensor.copy_(torch.from_numpy(u.astype(np.float32)).view(tensor.shape))


def norm_of_dconv(name):
    return ".dconv." in name and name.endswith("weight")


def signal(length, seed="song"):
    """Stereo noise with slow swells, [2, length]."""
    noise = uniform(seed, 2 * length).reshape(2, length)
    swell = np.abs(uniform(seed + " swell", length // 500 + 2))
    at = np.arange(length) / 500.0
    low = at.astype(int)
    part = at - low
    return torch.from_numpy((noise * 0.5 * (swell[low] * (1 - part) + swell[low + 1] * part)).astype(np.float32))


FOUR = ["drums", "bass", "other", "vocals"]
SMALL = dict(channels=8, nfft=2048, samplerate=8000, segment=Fraction(3, 4))
SMALL_NETWORKS = {
    "htdemucs": (HTDemucs, dict(sources=FOUR, dconv_mode=3, t_layers=3, t_hidden_scale=2.0, **SMALL)),
    "htdemucs_6s": (
        HTDemucs,
        dict(sources=FOUR + ["guitar", "piano"], dconv_mode=3, t_layers=5, bottom_channels=48, **SMALL),
    ),
    "hdemucs": (HDemucs, dict(sources=FOUR, **{**SMALL, "channels": 16, "nfft": 4096, "segment": 2})),
    "variant": (
        HTDemucs,
        dict(
            sources=["drums", "vocals"], dconv_mode=1, t_layers=2, t_cross_first=True, t_norm_first=False, t_gelu=False,
            freq_emb=0, context_enc=1, norm_starts=2, norm_groups=2, dconv_depth=1, use_train_segment=False,
            audio_channels=1, **SMALL,
        ),
    ),
}
FULL = dict(sources=FOUR, dconv_mode=3, t_layers=5, bottom_channels=512, segment=Fraction(39, 5))
FULL_NETWORKS = {
    "htdemucs": (HTDemucs, FULL),
    "htdemucs_6s": (HTDemucs, {**FULL, "sources": FOUR + ["guitar", "piano"], "bottom_channels": 0}),
    "hdemucs_mmi": (HDemucs, dict(sources=FOUR, segment=44)),
}


def build(klass, kwargs, prefix=""):
    model = klass(**kwargs)
    fill(model, prefix)
    model.eval()
    return model


def plain(value):
    """Arguments as JSON, as the reference writes them into its safetensors."""
    if isinstance(value, Fraction):
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
    return value


def shifts_of(seed, count, rate):
    """The shifts that the Rust side draws, in frames before the track."""
    return [int(z) % (rate // 2 + 1) for z in split_mix(seed, count)]


def run(model, mix, overlap=0.25, shifts=0, seed=0, split=True):
    """apply_model with the Rust side's shifts instead of random ones."""
    rate = model.samplerate
    wanted = [rate // 2 - shift for shift in shifts_of(seed, shifts, rate)]
    members = len(model.models) if isinstance(model, BagOfModels) else 1
    queue = wanted * members
    original = random.randint
    random.randint = lambda low, high: queue.pop(0)
    try:
        with torch.no_grad():
            return apply_model(model, mix[None], shifts=shifts, split=split, overlap=overlap)[0]
    finally:
        random.randint = original


def vectors(folder):
    torch.use_deterministic_algorithms(True)
    for name, (klass, kwargs) in SMALL_NETWORKS.items():
        model = build(klass, kwargs)
        segment = int(model.segment * model.samplerate)
        channels = model.audio_channels
        cases = [
            dict(length=segment, overlap=0.25, shifts=0, seed=0),
            dict(length=segment // 3 + 1, overlap=0.25, shifts=0, seed=0),
            dict(length=2 * segment + 1234, overlap=0.1, shifts=0, seed=0),
            dict(length=2 * segment - segment // 2, overlap=0.5, shifts=2, seed=7),
        ]
        write(folder, name, klass, kwargs, {"": model}, [[1.0] * len(model.sources)], cases, channels, model)
    klass, kwargs = SMALL_NETWORKS["htdemucs"]
    members = {prefix: build(klass, kwargs, prefix) for prefix in ("a/", "b/", "c/", "d/")}
    for blend_name, blend in (
        ("bag_of_specialists", np.eye(4).tolist()),
        ("bag_of_mixed", [[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]]),
    ):
        bag = BagOfModels(list(members.values()), blend)
        cases = [dict(length=9000, overlap=0.25, shifts=1, seed=3)]
        write(folder, blend_name, klass, kwargs, members, blend, cases, 2, bag)


def write(folder, name, klass, kwargs, members, blend, cases, channels, model):
    out = []
    for case in cases:
        mix = signal(case["length"])[:channels]
        stems = run(model, mix, case["overlap"], case["shifts"], case["seed"]).numpy()
        # every stem, channel and segment is in it; more of the samples would only be larger
        case["step"] = max(1, case["length"] // 400) | 1
        out.append(stems[:, :, :: case["step"]].astype("<f4").ravel())
    shapes = {key: list(value.shape) for key, value in next(iter(members.values())).state_dict().items()}
    text = json.dumps(
        {
            "class": klass.__name__,
            "kwargs": {key: plain(value) for key, value in kwargs.items()},
            "members": [{"prefix": prefix, "blend": weights} for prefix, weights in zip(members, blend)],
            "cases": cases,
            "shapes": shapes,
        }
    )
    (folder / f"{name}.json").write_text(text + "\n")
    (folder / f"{name}.f32").write_bytes(np.concatenate(out).tobytes())


def th_file(folder):
    """Files by the reference's own serialiser: half and single precision."""
    import hashlib

    from demucs.states import get_state

    kwargs = dict(sources=["drums", "vocals"], channels=8, nfft=512, dconv_mode=3, t_layers=1, t_hidden_scale=1.0,
                  samplerate=8000, segment=Fraction(39, 50), depth=2)
    model = build(HTDemucs, kwargs)
    for half in (True, False):
        state = get_state(model, None, half=half)
        package = {"klass": HTDemucs, "args": (kwargs["sources"],), "kwargs": {k: v for k, v in kwargs.items() if k != "sources"},
                   "state": state, "training_args": {"seed": 42, "augment": {"shift": 8192, "names": ["a", "b"]}, "x": 1e-3}}
        path = folder / f"serialised_{'f16' if half else 'f32'}.th"
        torch.save(package, path)
        digest = hashlib.sha256()
        for key in sorted(state):
            digest.update(key.encode() + b"\0" + str(list(state[key].shape)).encode() + b"\0")
            digest.update(state[key].contiguous().numpy().tobytes())
        path.with_suffix(".sha256").write_text(digest.hexdigest() + "\n")


def full(folder, names, weights_only=False):
    folder.mkdir(parents=True, exist_ok=True)
    mix = signal(int(20.5 * 44100))
    folder.joinpath("song.f32").write_bytes(mix.numpy().T.astype("<f4").tobytes())
    for name in names or FULL_NETWORKS:
        klass, kwargs = FULL_NETWORKS[name]
        model = build(klass, kwargs)
        metadata = {
            "klass": f"{klass.__module__}.{klass.__name__}",
            "args": "[]",
            "kwargs": json.dumps({key: plain(value) for key, value in kwargs.items()}),
        }
        state = {key: value.contiguous() for key, value in model.state_dict().items()}
        save_file(state, folder / f"{name}.safetensors", metadata)
        # the same for the reference's own program: `demucs --repo FOLDER -n NAME`
        torch.save({"klass": klass, "args": (), "kwargs": kwargs, "state": model.state_dict()}, folder / f"{name}.th")
        if weights_only:
            continue
        stems = run(model, mix, 0.25, 1, 0).numpy()
        (folder / f"{name}.stems.f32").write_bytes(stems.astype("<f4").tobytes())
        print(name, "done", flush=True)


def clock(folder, name):
    """The network alone on whole segments, and the whole track without files."""
    klass, kwargs = FULL_NETWORKS[name]
    model = build(klass, kwargs)
    mix = torch.from_numpy(np.fromfile(folder / "song.f32", "<f4").reshape(-1, 2).T.copy())
    segment = mix[None, :, : min(int(model.segment * model.samplerate), mix.shape[-1])]
    with torch.no_grad():
        model(segment)
        began = time.perf_counter()
        for _ in range(3):
            model(segment)
        network = (time.perf_counter() - began) / 3
    began = time.perf_counter()
    run(model, mix, 0.25, 0, 0)
    track = time.perf_counter() - began
    square = torch.rand(2048, 2048)
    products = []
    for _ in range(8):
        began = time.perf_counter()
        square @ square
        products.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"segment_s": segment.shape[-1] / model.samplerate, "network_s": network,
                      "track_s": mix.shape[-1] / model.samplerate, "separate_s": track, "peak_mb": peak,
                      "gemm_gflops": 2 * 2048**3 / min(products) / 1e9}))


if __name__ == "__main__":
    command, folder, *rest = sys.argv[1:]
    folder = Path(folder)
    if command == "vectors":
        folder.mkdir(parents=True, exist_ok=True)
        vectors(folder)
        th_file(folder)
    elif command == "full":
        full(folder, rest)
    elif command == "weights":
        full(folder, rest, weights_only=True)
    elif command == "time":
        clock(folder, *rest)
    else:
        sys.exit(__doc__)
