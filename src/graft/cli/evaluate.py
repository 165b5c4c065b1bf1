"""``graft evaluate``: how a model does on labelled data that it has not seen."""

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
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Measure a model on labelled data, with n and 95 % intervals; all of the data is used, whatever its folders."""
    from graft import api

    with watching(quiet=as_json) as listener:
        asked = api.load(model, device=device or "auto", runtime=runtime or "auto", max_pixels=max_pixels)
        found = api.evaluate(
            asked,
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
        table("", ["metric", "value", "95 % interval", "n"], estimates(found.to_json()["test"]))
