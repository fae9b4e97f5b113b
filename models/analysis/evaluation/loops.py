#!/usr/bin/env python3
"""Tempi of loops: loops.py FOLDER [--analyze PROGRAM]. A loop is a whole number of bars of four beats.

So its tempo is `60 · 4 · bars / length` for some number of bars; right is what is within 1 % of one of these (with 1, 2,
4, 8, 16 bars between 60 and 200 BPM), or whose half or double is, and listed what has one among its candidates.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import soundfile


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--analyze", default="target/release/examples/analyze")
    args = parser.parse_args()
    print("| loop | seconds | may be | found | candidates | |")
    print("|---|---|---|---|---|---|")
    for path in sorted(args.folder.glob("*.flac")):
        audio, rate = soundfile.read(path, dtype="float32")
        seconds = len(audio) / rate
        may = [240 * bars / seconds for bars in (0.5, 1, 2, 3, 4, 6, 8, 12, 16) if 55 < 240 * bars / seconds < 210]
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "loop.wav"
            soundfile.write(wav, audio, rate, subtype="FLOAT")
            out = subprocess.run([args.analyze, wav], capture_output=True, text=True, check=True).stdout
        tempo = json.loads(out)["analysis"]["tempo"]
        found = tempo and tempo["bpm"]
        listed = [c["bpm"] for c in tempo["candidates"]] if tempo else []
        right = lambda bpm: any(abs(bpm / m - 1) < 0.01 for m in may)
        verdict = "right" if found and right(found) else "listed" if any(map(right, listed)) else "–" if not may else "wrong"
        print(f"| {path.stem} | {seconds:.2f} | {[round(m, 1) for m in may]} | {found} | {listed} | {verdict} |")


if __name__ == "__main__":
    main()
