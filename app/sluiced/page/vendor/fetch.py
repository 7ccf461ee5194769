# SPDX-License-Identifier: Apache-2.0
"""Gets the vendored npm package again, by npm, and compares it with what is here.

fetch.py [--write]    with --write the files are replaced, once the package's hash is the one of README.md
"""
import hashlib
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FILES = {
    "uPlot.iife.min.js": "package/dist/uPlot.iife.min.js",
    "uPlot.min.css": "package/dist/uPlot.min.css",
    "uPlot.LICENSE": "package/LICENSE",
}


def pinned():
    """(package, version, hash) of the README's table."""
    found = re.search(
        r"npm package `(\S+)` (\S+), SHA-256 `([0-9a-f]{64})`", (HERE / "README.md").read_text()
    )
    return found.groups()


def main():
    if sys.argv[1:] not in ([], ["--write"]):
        sys.exit(__doc__.strip())
    package, version, expected = pinned()
    with tempfile.TemporaryDirectory() as place:
        told = subprocess.run(
            ["npm", "pack", "--silent", f"{package}@{version}"],
            cwd=place,
            capture_output=True,
            text=True,
            check=True,
        )
        archive = pathlib.Path(place, told.stdout.split()[-1])
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != expected:
            sys.exit(f"{archive.name}: SHA-256 is {found}, not the pinned {expected}")
        with tarfile.open(archive) as tar:
            files = {name: tar.extractfile(member).read() for name, member in FILES.items()}
    if sys.argv[1:] == ["--write"]:
        for name, content in files.items():
            (HERE / name).write_bytes(content)
    different = [name for name, content in files.items() if (HERE / name).read_bytes() != content]
    if different:
        sys.exit(f"not what {package} {version} has: {' '.join(different)}")
    print(f"{package} {version}: the package and {len(files)} files are the pinned ones")


if __name__ == "__main__":
    main()
