#!/usr/bin/env python3
"""Builds the Debian package from what was built: systemd/package.py TARGET OUT [XZ-LEVEL]

TARGET is a folder of cargo's (target/release), OUT the package or a folder for it. What lies where is said once, in
`[package.metadata.deb]` of daemon/Cargo.toml, in the form that cargo-deb reads too. cargo-deb itself takes minutes to
compile and is not needed: dpkg-deb is on every Debian. Needs man pages and completions: `make man`.
"""

import glob
import gzip
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main(target, out, level="6"):
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
    package = tomllib.loads((ROOT / "daemon/Cargo.toml").read_text())["package"]
    deb = package["metadata"]["deb"]
    architecture = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()
    version = os.environ.get("HARMONIX_DEB_VERSION", workspace["version"])
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        tree.chmod(0o755)
        for source, destination, mode in deb["assets"]:
            add(tree, target, source, destination, mode)
        size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
        control = {
            "Package": deb["name"],
            "Version": version,
            "Architecture": architecture,
            "Maintainer": deb["maintainer"],
            "Installed-Size": size,
            "Depends": deb["depends"],
            "Recommends": deb["recommends"],
            "Suggests": deb["suggests"],
            "Section": deb["section"],
            "Priority": deb["priority"],
            "Description": package["description"] + "\n" + described(deb["extended-description"]),
        }
        scripts = tree / "DEBIAN"
        scripts.mkdir()
        text = "".join(f"{name}: {value}\n" for name, value in control.items())
        (scripts / "control").write_text(text)
        for script in (ROOT / "daemon" / deb["maintainer-scripts"]).iterdir():
            shutil.copy(script, scripts / script.name)
            (scripts / script.name).chmod(0o755)
        compression = ["-Znone"] if level == "0" else ["-Zxz", f"-z{level}"]
        command = ["dpkg-deb", "--root-owner-group", *compression, "--build", folder, out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def add(tree, target, source, destination, mode):
    """Copies what an asset names. As cargo-deb does, `target/release` means the folder that was built."""
    if source.startswith("target/release/"):
        pattern = str(pathlib.Path(target) / source.removeprefix("target/release/"))
    else:
        pattern = str(ROOT / "daemon" / source)
    found = glob.glob(pattern)
    if not found:
        sys.exit(f"{pattern} is not there: `make build man` comes first")
    for path in found:
        place = tree / destination
        if destination.endswith("/"):
            place = place / pathlib.Path(path).name
        place.parent.mkdir(parents=True, exist_ok=True)
        if "share/man/" in destination:
            place = place.with_name(place.name + ".gz")
            place.write_bytes(gzip.compress(pathlib.Path(path).read_bytes(), mtime=0))
        else:
            shutil.copy(path, place)
        place.chmod(int(mode, 8))
        for parent in place.relative_to(tree).parents:
            (tree / parent).chmod(0o755)


def described(text):
    return "\n".join(f" {line}" if line.strip() else " ." for line in text.strip().splitlines())


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
