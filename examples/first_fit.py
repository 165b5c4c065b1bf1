"""The main job: a folder of labelled pictures in, a measured model folder out, and an answer from it."""

import tempfile
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits

import graft


def write_pictures(folder: Path, count: int = 150) -> Path:
    """Write handwritten digits as PNG files, a folder a class."""
    digits = load_digits()
    for number in range(count):
        file = folder / str(digits.target[number]) / f"{number:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[number] * 255 / 16).round().astype("uint8")).save(file)
    return folder


def main() -> None:
    """Fit, look at what was measured, load the model again, and ask it."""
    with tempfile.TemporaryDirectory() as place:
        photos = write_pictures(Path(place) / "photos")
        out = Path(place) / "model"
        model = graft.fit(photos, out=out, strategy="linear_probe", augment="digits")
        print(model.report)
        print(f"test accuracy {model.report['accuracy']}")

        again = graft.load(out)
        file = sorted((photos / "7").iterdir())[0]
        (answer,) = again.predict([file])
        print(f"{file.name} is a {answer.label}, probability {answer.probability:.3f}")
        print("in the folder:", *sorted(one.name for one in out.iterdir()))


if __name__ == "__main__":
    main()
