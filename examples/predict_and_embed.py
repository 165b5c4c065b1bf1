"""A model in memory: answers, probabilities, features for a search by likeness, saved and loaded again."""

import tempfile

import numpy as np
from PIL import Image, ImageDraw

import graft
from graft.data import from_objects

SHAPES = ("circle", "square", "triangle")


def draw(shape: str, rng: np.random.Generator) -> Image.Image:
    """Return a picture of 96 x 96 pixels with one filled shape, its place, size and colours drawn at random."""
    picture = Image.new("RGB", (96, 96), tuple(rng.integers(0, 90, 3).tolist()))
    x, y, r = rng.uniform(36, 60), rng.uniform(36, 60), rng.uniform(14, 30)
    colour = tuple(rng.integers(140, 256, 3).tolist())
    pen = ImageDraw.Draw(picture)
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    else:
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)
    return picture


def main() -> None:
    """Fit on drawn shapes, ask for new ones, and find the most alike."""
    rng = np.random.default_rng(0)
    labels = [SHAPES[number % 3] for number in range(60)]
    pictures = [draw(label, rng) for label in labels]
    model = graft.fit(from_objects(pictures, labels), strategy="linear_probe")

    new = [draw(shape, rng) for shape in SHAPES]
    for shape, answer in zip(SHAPES, model.predict(new), strict=True):
        print(f"a {shape}: {answer.label}, probability {answer.probability:.3f}")

    known, asked = model.embed(pictures), model.embed(new)
    known, asked = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (known, asked))
    nearest = (asked @ known.T).argmax(axis=1)
    print("features:", known.shape, "most alike:", *(labels[row] for row in nearest))

    with tempfile.TemporaryDirectory() as place:
        model.save(f"{place}/model")
        again = graft.load(f"{place}/model")
        gap = np.abs(again.predict_proba(new) - model.predict_proba(new)).max()
        print(f"saved and loaded: probabilities differ by at most {gap:.1g}")


if __name__ == "__main__":
    main()
