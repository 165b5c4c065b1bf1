"""Options that several commands share, declared once."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Decides all that is drawn at random.  Default: 0.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as optimisation.epochs=4. May be repeated."),
]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", metavar="FILE", help="Settings from a YAML file; flags win over it.")
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Runtime = Annotated[
    str | None, typer.Option("--runtime", help="What runs the frozen part: auto, torch, openvino, onnxruntime.")
]
ModelFolder = Annotated[Path, typer.Argument(metavar="MODEL", help="A folder that `graft fit --out` wrote.")]
Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="A folder with one folder a class, or a CSV, JSONL or Parquet file."),
]
DataOrRecipe = Annotated[
    Path | None,
    typer.Argument(
        metavar="DATA",
        help="A folder with one folder a class, or a CSV, JSONL or Parquet file. May be named by the recipe instead.",
    ),
]
Task = Annotated[
    str | None, typer.Option("--task", help="What is predicted: classification, multilabel or regression.")
]
InputColumn = Annotated[str | None, typer.Option("--input", help="Column of a table that holds the paths or texts.")]
LabelColumn = Annotated[
    str | None, typer.Option("--label", help="Column of a table that holds the labels, or several: a,b,c.")
]
GroupColumn = Annotated[
    str | None, typer.Option("--group", help="Column whose equal values stay together (a patient, a burst).")
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="NAMES",
        help="What stands beside the network's features: columns, or `graft list descriptors`. May be repeated.",
    ),
]
Abstain = Annotated[
    float | None,
    typer.Option("--abstain", metavar="SHARE", help="Accept only so sure answers that at most this share is wrong."),
]
Sets = Annotated[
    float | None,
    typer.Option(
        "--sets", metavar="SHARE", help="Also say which classes are possible; at most this share of sets is wrong."
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option("--max-pixels", min=1, help="Refuse larger images, a guard against decompression bombs."),
]
FitData = Annotated[
    Path | None,
    typer.Option("--data", metavar="DATA", help="Where the data of the fit lie now, if no longer where they lay."),
]
