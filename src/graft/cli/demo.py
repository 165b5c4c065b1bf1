"""``graft demo``: the main job on real data that comes with a dependency."""

from pathlib import Path
from typing import Annotated

import typer

from graft.cli import options
from graft.cli.fit import summary
from graft.cli.terminal import emit, watching


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures and the model.")] = Path(
        "graft-demo"
    ),
    budget: Annotated[str, typer.Option(help="Time to spend.")] = "30s",
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Write scikit-learn's 1,797 handwritten digits as PNG files, fit a model to them, and look at its answers."""
    from graft import api
    from graft.config import Recipe

    with watching(quiet=as_json) as listener:
        photos = write_digits(out / "photos")
        listener.say(f"Wrote 1,797 handwritten digits to {photos}, a folder a class.")
        recipe = Recipe.read(data=str(photos), augment="digits", budget=budget, seed=seed)
        model = api.fit(recipe.data, out=out / "model", recipe=recipe, listener=listener)
        files = [next((photos / str(digit)).iterdir()) for digit in (3, 7)]
        answers = api.predict(out / "model", files).predictions
    result = api.outcome(model, out / "model")
    if as_json:
        emit(result)
        return
    summary(result)
    for one in answers:
        print(f"graft predict {out / 'model'} {one.input}  ->  {one.label}  ({one.probability:.3f})")


def write_digits(folder: Path) -> Path:
    """Write the digits of ``sklearn.datasets.load_digits`` (8 x 8 grey, 16 levels) as PNG files, a folder a class."""
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    for number, (grid, digit) in enumerate(zip(found.images, found.target, strict=True)):
        file = folder / str(digit) / f"{number:04d}.png"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((grid * 255 / 16).round().astype("uint8")).save(file)
    return folder
