"""The audit before training: what it says of a folder with copies, a broken file, a wrong name and a wrong label."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import graft


def write_faulty_pictures(folder: Path) -> Path:
    """Write two classes of random pictures, and five faults among them."""
    rng = np.random.default_rng(0)
    for name in ("stripes", "noise"):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            if name == "stripes":
                pixels[:] = pixels[:1]
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")
    stripes, noise = folder / "stripes", folder / "noise"
    shutil.copy(stripes / "00.png", stripes / "copy.png")  # the same file twice
    shutil.copy(stripes / "01.png", noise / "01b.png")  # one file, two labels
    (noise / "cut.png").write_bytes((noise / "02.png").read_bytes()[:2000])  # broken off
    (noise / "empty.png").touch()  # no bytes
    Image.open(noise / "03.png").save(noise / "named.jpg", "PNG")  # the name lies
    return folder


def main() -> None:
    """Print what was found."""
    with tempfile.TemporaryDirectory() as place:
        found = graft.inspect(write_faulty_pictures(Path(place) / "photos"))
        print(f"{found.files} files, usable by class: {found.classes}")
        for finding in found.findings:
            names = ", ".join(Path(file).name for file in finding.files[:3])
            print(f"{finding.severity}: {finding.kind} ({names}): {finding.message}")


if __name__ == "__main__":
    main()
