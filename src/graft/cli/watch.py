"""``graft watch``: whether what a model is asked is still like what it was trained on."""

from pathlib import Path
from typing import Annotated

import typer

from graft.cli import options
from graft.cli.terminal import emit, table, watching
from graft.errors import SettingError, must

DRIFT = 3
"""Exit code where drift was seen."""


def watch(
    model: options.ModelFolder,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="[DATA]", help="A folder, file or table with new inputs."),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option("--log", metavar="FILE|ADDRESS", help="Statistics of a server of this model; its key: GRAFT_KEY."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the strangest inputs here, for labelling."),
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Inputs that are written at most.")] = 100,
    false_alarm: Annotated[
        float, typer.Option("--false-alarm", help="Share of alarms where nothing has changed, 0.002 or more.")
    ] = 0.01,
    input_column: options.InputColumn = None,
    device: options.Device = None,
    runtime: options.Runtime = None,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Compare inputs with the training data. Exit codes: 0 no drift was seen, 3 drift, 1 a fault, 2 wrong usage."""
    from graft import api

    if (data is None) == (log is None):
        got = "neither" if data is None else "both"
        raise SettingError(must("graft watch", "given DATA or --log", got, "Name a folder of new inputs"))
    if log is not None and out is not None:
        do = "Name a folder of inputs instead of --log"
        raise SettingError(must("--out", "left out with --log", str(out), f"Statistics hold no inputs. {do}"))
    with watching(quiet=as_json) as listener:
        asked = api.load(model, device=device or "auto", runtime=runtime or "auto")
        found = api.watch(
            asked,
            data,
            log=log,
            input_column=input_column,
            most=most,
            false_alarm=false_alarm,
            seed=seed or 0,
            listener=listener,
        )
        for one in found.set_aside:
            listener.say(f"{one.input}: {one.message}")
    written = found.write(out) if out is not None else 0
    if as_json:
        emit({"model": str(model), **found.to_json()})
    else:
        print(found.look.sentence())
        rows = [[one.example.source, one.said, f"{one.unlike:.3f}", one.reason or ""] for one in found.strange[:10]]
        if rows:
            table("The least like the training data", ["input", "answer", "unlike", "not accepted"], rows)
        if out is not None:
            print(f"To be labelled: {written} inputs in {out}")
    if found.look.alarm:
        raise typer.Exit(DRIFT)
