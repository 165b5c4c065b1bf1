"""``graft show``: what a model is, from its manifest."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from graft.cli import options
from graft.cli.terminal import emit, estimates, table
from graft.errors import ArtifactError, must


def show(
    model: options.ModelFolder,
    open_report: Annotated[bool, typer.Option("--open", help="Open report.html in the browser.")] = False,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Tell what a model is: backbone, cut, data, metrics; every hash is checked on the way."""
    from graft import api

    told = api.show(model)
    if as_json:
        emit(told)
    else:
        backbone, data = told["backbone"], told.get("data", {})
        rows = [
            ["backbone", f"{backbone['name']} ({backbone['family']})"],
            ["weights", f"{backbone['weights']['source']}, {backbone['weights']['licence']}"],
            ["receptive field", _field(backbone.get("settings", {}).get("receptive_field"))],
            ["cut", f"{told['cut']} of {len(backbone['stages'])} stages"],
            ["strategy", str(told.get("strategy", ""))],
            ["head", told["head"]["name"]],
            ["task", told["task"]["name"]],
            ["classes", f"{len(told['task']['classes'])}: {', '.join(told['task']['classes'][:12])}"],
            ["data", ", ".join(f"{count} {part}" for part, count in data.get("parts", {}).items())],
            ["fingerprint", str(data.get("fingerprint", ""))],
            ["compressed", "; ".join(map(_step, told.get("steps", ()))).strip("; ")],
            ["made", f"{told.get('created', '')} with graft {told.get('graft', '')}"],
        ]
        table("", ["", str(model)], [row for row in rows if row[1] not in ("0: ", "")])
        if told.get("test"):
            table("Test", ["metric", "value", "95 % interval", "n"], estimates(told["test"]))
    if open_report:
        report = model / "report.html"
        if not report.is_file():
            do = "Fit again to write one"
            raise ArtifactError(must("report.html", "in the model folder", f"none in {model}", do))
        typer.launch(report.absolute().as_uri())


def _step(step: Mapping[str, Any]) -> str:
    """Return what one compression did and what it cost; nothing of other steps."""
    if step["step"] != "compress":
        return ""
    kept = step["contract"]
    left = step["made"].get("left_in_float")
    more = f", {len(left)} layers left in float: {', '.join(left[:6])}" if left else ""
    gap = kept["difference"]
    return f"{step['method']}, {100 * gap['value']:+.2f} points on the same {gap['n']} items{more}"


def _field(told: Mapping[str, float] | None) -> str:
    """Return how much sound one output of a network depends on, where it says so."""
    return f"{told['samples']:,} samples, {told['seconds']:g} s" if told else ""
