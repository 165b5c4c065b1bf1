"""``graft bench``: latency, throughput, size and accuracy of every form of a model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graft.cli import options
from graft.cli.terminal import emit, megabytes, table, watching


def bench(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="A model folder, and further ones to be compared with it.")
    ],
    data: options.FitData = None,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Measure every form in which models run here: torch, OpenVINO, ONNX Runtime, and compressed siblings."""
    from graft import api

    with watching(quiet=as_json) as listener:
        found = api.bench(models, data=data, listener=listener)
    if as_json:
        emit(found.to_json())
        return
    told = found.to_json()
    columns = ["model", "run by", "size", "p50 ms", "p95 ms", "n", "inputs/s at 32", "n", "score", "n"]
    table("", columns, [_row(one) for one in told["forms"]])
    if told["forms"]:
        metric = told["forms"][0]["metric"].replace("_", " ")
        print(
            f"The score is {metric} on the locked test items. All intervals are of 95 %; turns of the forms go round."
        )
        print(told["fastest"])
    for note in told["notes"]:
        print(f"- {note}")


def _row(one: dict[str, Any]) -> list[str]:
    score = one["score"]
    return [
        one["model"],
        one["runtime"],
        megabytes(one["bytes"]),
        _of(one["p50_ms"], 2),
        _of(one["p95_ms"], 2),
        str(one["p50_ms"]["n"]),
        _of(one["throughput"], 0),
        str(one["throughput"]["n"]),
        _of(score, 3) if score else "",
        str(score["n"]) if score else "",
    ]


def _of(one: dict[str, float], digits: int) -> str:
    return f"{one['value']:.{digits}f} ({one['low']:.{digits}f} to {one['high']:.{digits}f})"
