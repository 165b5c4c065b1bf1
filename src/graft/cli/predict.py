"""``graft predict``: label and probability for files and folders."""

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

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
        rows = [cells(one.to_json(), 6) for one in found.predictions]
        writer.writerow(rows[0] if rows else ["input", "label", "probability"])
        writer.writerows(row.values() for row in rows)
    else:
        rows = [cells(one.to_json(), 3) for one in found.predictions]
        table("", list(rows[0]) if rows else ["input"], [list(row.values()) for row in rows])


def cells(answer: Mapping[str, Any], digits: int) -> dict[str, str]:
    """Return an answer's columns as text; what is said of each label apart stays in JSON."""
    found: dict[str, str] = {}
    for name, value in answer.items():
        if isinstance(value, list):
            found[name] = "|".join(value)
        elif isinstance(value, float):
            found[name] = f"{value:.{digits}f}" if name == "probability" else f"{value:.6g}"
        elif isinstance(value, str):
            found[name] = value
    return found
