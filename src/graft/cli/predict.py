"""``graft predict``: label and probability for files and folders."""

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from graft.cli import options
from graft.cli.terminal import emit, table, watching
from graft.errors import DataError, must


def predict(
    model: options.ModelFolder,
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Files and folders.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: input, label, probability.")] = False,
    device: options.Device = None,
    runtime: options.Runtime = None,
    max_pixels: options.MaxPixels = None,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Answer for every input: its label and the probability; what cannot be read is named and left out."""
    from graft import api

    with watching(quiet=as_json or as_csv) as listener:
        asked = api.load(model, device=device or "auto", runtime=runtime or "auto", max_pixels=max_pixels)
        found = api.predict(asked, inputs, listener=listener)
        for one in found.set_aside:
            listener.say(f"{one.input}: {one.message}")
    if found.set_aside and not found.predictions:
        do = "Give others, or mend what is named above"
        raise DataError(must("INPUT", "files that can be read", f"{len(found.set_aside)} that cannot", do))
    if as_json:
        emit(found.to_json())
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(["input", "label", "probability"])
        writer.writerows([one.input, one.label, f"{one.probability:.6f}"] for one in found.predictions)
    else:
        rows = [[one.input, one.label, f"{one.probability:.3f}"] for one in found.predictions]
        table("", ["input", "label", "probability"], rows)
