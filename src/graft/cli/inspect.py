"""``graft inspect``: the data audit alone."""

from graft.cli import options
from graft.cli.terminal import emit, table, watching


def inspect(
    data: options.Data,
    input_column: options.InputColumn = None,
    label_column: options.LabelColumn = None,
    group_column: options.GroupColumn = None,
    beside: options.With = None,
    task: options.Task = None,
    max_pixels: options.MaxPixels = None,
    device: options.Device = None,
    runtime: options.Runtime = None,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Look the data over before training: broken files, duplicates, odd formats, imbalance."""
    from graft import api
    from graft.config import Recipe

    recipe = Recipe.read(
        data=str(data),
        input_column=input_column,
        label_column=label_column,
        group_column=group_column,
        beside=beside,
        task=task,
        max_pixels=max_pixels,
        device=device,
        runtime=runtime,
        seed=seed,
    )
    with watching(quiet=as_json) as listener:
        found = api.inspect(recipe.data, recipe=recipe, listener=listener)
    if as_json:
        emit(found.to_json())
        return
    if found.classes:
        table("Classes", ["class", "files"], [[name, str(count)] for name, count in found.classes.items()])
    if found.findings:
        rows = [[f.severity, f.kind.replace("_", " "), str(len(f.files)), f.message] for f in found.findings]
        table("Findings", ["", "kind", "files", "what"], rows)
    else:
        print("Nothing odd was found.")
