"""The photos that are measured on: real ones, the same ones jittered from a seed, and small ones drawn from a seed."""

import io
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks.tables import Skipped

ROOT = Path(__file__).resolve().parent.parent
VERSION = 1
"""Raise it whenever the same seed would draw other photos."""


def real(name: str) -> Path:
    """Return a folder of the shared data. Raises Skipped where it is absent."""
    base = Path(os.environ.get("GRAFT_DATA", ROOT.parent / "shared" / "data"))
    if not (base / name).is_dir():
        raise Skipped(f"Skipped: {base / name} is not here. Set GRAFT_DATA to the folder that holds {name}/.")
    return base / name


def some(name: str, each: int) -> Path:
    """Return a folder with the first ``each`` files of every class of ``name``, its parts kept."""
    source = real(name)

    def fill(folder: Path) -> None:
        for place in sorted({one.parent for one in source.rglob("*.*")} - {source}):
            target = folder / place.relative_to(source)
            target.mkdir(parents=True)
            for one in sorted(place.glob("*.*"))[:each]:
                shutil.copy(one, target / one.name)

    return _made(f"{name}-{each}-each", fill)


def jittered(count: int, seed: int = 0) -> Path:
    """Return a folder with ``count`` photos: those of clothing, cropped, mirrored, brighter or darker.

    A photo's copies stay in its part. They are as large as the real ones, and saved at quality 90.
    """
    source = real("clothing")

    def fill(folder: Path) -> None:
        files = sorted(source.rglob("*.jpg"))
        random = np.random.default_rng(seed)
        order = random.permutation(len(files))
        for number in range(count):
            one = files[order[number % len(files)]]
            target = folder / one.parent.relative_to(source)
            target.mkdir(parents=True, exist_ok=True)
            with Image.open(one) as photo:
                jitter(photo.convert("RGB"), random).save(target / f"{one.stem}-{number}.jpg", quality=90)

    return _made(f"jittered-{count}-{seed}", fill)


def jitter(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """Return a photo of the same size with another crop, brightness, contrast and, half the time, mirrored."""
    width, height = photo.size
    share = random.uniform(0.75, 1.0)
    left, top = random.uniform(0, 1 - share) * width, random.uniform(0, 1 - share) * height
    box = (left, top, left + share * width, top + share * height)
    changed = photo.resize((width, height), Image.Resampling.BICUBIC, box=box)
    changed = ImageEnhance.Brightness(changed).enhance(random.uniform(0.8, 1.2))
    changed = ImageEnhance.Contrast(changed).enhance(random.uniform(0.8, 1.2))
    return changed.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else changed


def tiny(count: int, classes: int = 10, seed: int = 0) -> Path:
    """Return a folder with ``count`` JPEGs of 96 x 96 pixels: coloured noise, whose colour tells the class.

    One label in six is drawn anew, so that no model is without mistakes.
    """

    def fill(folder: Path) -> None:
        random = np.random.default_rng(seed)
        tints = random.uniform(60, 195, (classes, 3))
        for number in range(count):
            kind = number % classes
            label = kind if random.random() > 1 / 6 else int(random.integers(classes))
            target = folder / f"class-{label}"
            target.mkdir(exist_ok=True)
            (target / f"{number:06}.jpg").write_bytes(blot(tints[kind], random))

    return _made(f"tiny-{count}-{classes}-{seed}", fill)


def blot(tint: np.ndarray, random: np.random.Generator) -> bytes:
    """Return a JPEG of smooth noise around a colour."""
    coarse = random.normal(0, 60, (6, 6, 3)) + tint
    smooth = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
    grain = np.asarray(smooth, np.float32) + random.normal(0, 8, (96, 96, 1))
    out = io.BytesIO()
    Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=85)
    return out.getvalue()


def files(folder: Path) -> list[str]:
    """Return the paths of all photos below a folder, sorted."""
    return [str(one) for one in sorted(folder.rglob("*.jpg"))]


def _made(name: str, fill: Callable[[Path], None]) -> Path:
    """Return a folder that ``fill`` has filled, now or in an earlier run; one that was cut short is never used."""
    base = Path(os.environ.get("GRAFT_BENCH_PHOTOS", Path(tempfile.gettempdir()) / "graft-bench-photos"))
    folder = base / f"{name}-v{VERSION}"
    if not folder.is_dir():
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base, prefix=".making-") as part:
            making = Path(part) / "photos"
            making.mkdir()
            fill(making)
            making.rename(folder)
    return folder
