"""``graft export``: a model as a file that other programs run."""

from pathlib import Path
from typing import Annotated

import typer

from graft.cli import options
from graft.cli.terminal import emit, megabytes, watching


def export(
    model: options.ModelFolder,
    out: Annotated[Path, typer.Option("--out", help="The file, or a folder for it.")],
    format: Annotated[str, typer.Option("--format", help="onnx, torch_export: see `graft list exporters`.")] = "onnx",
    triton: Annotated[
        str | None,
        typer.Option("--triton", metavar="NAME", help="Make --out a model repository of Triton with a model NAME."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Inputs to compare answers on.  Default: the training data, else noise."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Write a model as a file of another format; its answers are compared with the model's before it is kept."""
    from graft import api

    with watching(quiet=as_json) as listener:
        found = api.export(
            model, out, format=format, triton=triton, data=data, force=force, seed=seed or 0, listener=listener
        )
    if as_json:
        emit(found.to_json())
        return
    print(f"{found.file}: {megabytes(found.bytes)}")
    print(f"Answers are {found.parity}.")
