"""``graft fit``: labelled data in, a measured model folder out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graft.cli import options
from graft.cli.terminal import emit, estimates, table, watching


def fit(
    data: options.DataOrRecipe = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the model folder is written.")] = Path("model"),
    backbone: Annotated[str | None, typer.Option(help="Pretrained network; see `graft list backbones`.")] = None,
    weights: Annotated[str | None, typer.Option(help="auto, random, or a file of weights.")] = None,
    strategy: Annotated[str | None, typer.Option(help="auto, or one of `graft list strategies`.")] = None,
    task: options.Task = None,
    head: Annotated[str | None, typer.Option(help="linear, mlp, conv or rnn.")] = None,
    augment: Annotated[
        str | None, typer.Option(help="auto, a preset such as photos, speech or words, none, or a list.")
    ] = None,
    views: Annotated[int | None, typer.Option(help="Stored views an input, for fine-tuning.")] = None,
    cut: Annotated[str | None, typer.Option(help="Where partial fine-tuning cuts: a number or a stage.")] = None,
    class_weights: Annotated[str | None, typer.Option(help="none or balanced.")] = None,
    abstain: options.Abstain = None,
    budget: Annotated[str | None, typer.Option(help="Time to spend, such as 90s, 15m, 1h.  Default: 15m.")] = None,
    keep_examples: Annotated[
        int | None, typer.Option(help="Training examples to keep in the model and show beside answers.  Default: none.")
    ] = None,
    slim: Annotated[bool | None, typer.Option("--slim", help="Leave frozen weights out, name their source.")] = None,
    input_column: options.InputColumn = None,
    label_column: options.LabelColumn = None,
    group_column: options.GroupColumn = None,
    beside: options.With = None,
    max_pixels: options.MaxPixels = None,
    device: options.Device = None,
    runtime: options.Runtime = None,
    recipe: options.RecipeFile = None,
    sets: options.Set = None,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Fit a model to labelled data: audit, split, climb the ladder, measure once on locked test data, save."""
    flags = {k: v for k, v in locals().items() if k not in ("out", "recipe", "sets", "as_json", "data")}
    if data is not None:
        flags["data"] = str(data)
    from graft import api
    from graft.config import Recipe, assignments

    asked = Recipe.read(recipe, assignments(sets or []), **flags)
    with watching(quiet=as_json) as listener:
        model = api.fit(asked.data, out=out, recipe=asked, listener=listener)
    result = api.outcome(model, out)
    if as_json:
        emit(result)
    else:
        summary(result)


def summary(result: dict[str, Any]) -> None:
    """Print what a fit found: the ladder, the test metrics, where things are."""
    rows = []
    for rung in result["rungs"]:
        name, one = next(iter(rung["validation"].items()))
        score = f"{one['value']:.3f}  ({one['low']:.3f} to {one['high']:.3f}, n={one['n']})"
        chance = "" if rung["p_value"] is None else f"{rung['p_value']:.3g}"
        rows.append([rung["strategy"], score, chance, "kept" if rung["kept"] else "", f"{rung['seconds']:.1f} s"])
    table("The ladder, on validation data", ["rung", name, "p", "", "time"], rows)
    if result["test"]:
        table(
            "The model, on test data opened once", ["metric", "value", "95 % interval", "n"], estimates(result["test"])
        )
    for sentence in result["sentences"]:
        print(f"- {sentence}")
    print(f"{result['strategy']} on {result['backbone']}, cut {result['cut']}, in {result['seconds']['total']:.1f} s.")
    print(f"Model: {result['model']}    Report: {Path(result['model']) / 'report.html'}")
    print(f"Next: graft predict {result['model']} FILE...    graft show {result['model']} --open")
