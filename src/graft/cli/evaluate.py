"""``graft evaluate``: how a model does on labelled data that it has not seen."""

from collections.abc import Mapping
from typing import Any

from graft.cli import options
from graft.cli.terminal import emit, estimates, table, watching


def evaluate(
    model: options.ModelFolder,
    data: options.Data,
    input_column: options.InputColumn = None,
    label_column: options.LabelColumn = None,
    device: options.Device = None,
    runtime: options.Runtime = None,
    max_pixels: options.MaxPixels = None,
    abstain: options.Abstain = None,
    sets: options.Sets = None,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Measure a model on labelled data, with n and 95 % intervals; all of the data is used, whatever its folders."""
    from graft import api

    with watching(quiet=as_json) as listener:
        asked = api.load(model, device=device or "auto", runtime=runtime or "auto", max_pixels=max_pixels)
        found = api.evaluate(
            asked.asking(abstain=abstain, sets=sets),
            data,
            input_column=input_column,
            label_column=label_column,
            seed=seed or 0,
            listener=listener,
        )
        for one in found.set_aside:
            listener.say(f"{one.input}: {one.message}")
    if as_json:
        emit({**found.to_json(), "model": str(model)})
    else:
        plain = found.to_json()
        rows = {**plain["test"], **{_ACCEPTED[key]: plain["accepted"][key] for key in _accepted(plain)}}
        for name, key in (("truth in the set", "coverage"), ("size of a set", "size")):
            rows |= {name: plain["sets"][key]} if plain["sets"] else {}
        table("", ["metric", "value", "95 % interval", "n"], estimates(rows))


_ACCEPTED = {"share": "accepted answers", "error": "wrong among accepted"}


def _accepted(plain: Mapping[str, Any]) -> list[str]:
    """Return which figures of accepted answers there are."""
    return [key for key in _ACCEPTED if plain["accepted"] and plain["accepted"][key]]
