"""``graft compress``: a smaller or faster model, which keeps its accuracy or is not written."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graft.cli import options
from graft.cli.terminal import emit, megabytes, table, watching


def compress(
    model: options.ModelFolder,
    method: Annotated[str, typer.Option(help="One of `graft list compressions`: half, int8, prune, binary.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the compressed model folder is written.")],
    max_drop: Annotated[
        float,
        typer.Option(min=0, help="Points that may be lost on the locked test items; with more nothing is written."),
    ] = 1.0,
    force: Annotated[bool, typer.Option("--force", help="Write it whatever it loses.")] = False,
    data: options.FitData = None,
    sets: options.Set = None,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Make a model smaller or faster, and score the same locked test items before and after."""
    from graft import api
    from graft.config import assignments

    with watching(quiet=as_json) as listener:
        found = api.compress(
            model,
            method=method,
            out=out,
            max_drop=max_drop,
            force=force,
            data=data,
            settings=assignments(sets or []),
            seed=seed or 0,
            listener=listener,
        )
    told = found.to_json()
    if as_json:
        emit(told)
        return
    _summary(told)
    print(f"Model: {out}    Next: graft predict {out} FILE...    graft bench {model} {out}")


def _summary(told: dict[str, Any]) -> None:
    kept = told["contract"]
    before, after, gap = kept["before"], kept["after"], kept["difference"]
    metric = told["metric"]
    rows = [
        [metric.replace("_", " "), *(_of(one[metric], 3) for one in (before, after)), str(gap["n"])],
        ["size", *(megabytes(one["bytes"]) for one in (before, after)), ""],
        ["p50 of one, ms", *(_of(one["p50_ms"], 2) for one in (before, after)), _n(before, after, "p50_ms")],
        ["p95 of one, ms", *(_of(one["p95_ms"], 2) for one in (before, after)), _n(before, after, "p95_ms")],
        ["inputs/s at 32", *(_of(one["throughput"], 0) for one in (before, after)), _n(before, after, "throughput")],
        ["run by", before["runtime"], after["runtime"], ""],
    ]
    table("", ["", "before", "after", "n"], rows)
    value, low, high = (100 * gap[key] for key in ("value", "low", "high"))
    verdict = "kept" if kept["holds"] else "broken, written by --force"
    print(
        f"Difference on the same {gap['n']} items: {value:+.2f} points [{low:+.2f}, {high:+.2f}]; at most "
        f"{kept['max_drop']:g} may be lost: {verdict}."
    )


def _of(one: dict[str, float], digits: int) -> str:
    return f"{one['value']:.{digits}f}  ({one['low']:.{digits}f} to {one['high']:.{digits}f})"


def _n(before: dict[str, Any], after: dict[str, Any], key: str) -> str:
    return f"{before[key]['n']}, {after[key]['n']}"
