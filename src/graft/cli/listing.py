"""``graft list``: what there is to choose from."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from graft.cli import options
from graft.cli.terminal import emit, table


class What(StrEnum):
    """The lists that there are."""

    backbones = "backbones"
    strategies = "strategies"
    heads = "heads"
    preprocess = "preprocess"
    tasks = "tasks"
    runtimes = "runtimes"
    exporters = "exporters"
    readers = "readers"
    descriptors = "descriptors"
    compressions = "compressions"
    metrics = "metrics"


def listing(
    what: Annotated[What, typer.Argument(help="What to list.")],
    modality: Annotated[str | None, typer.Option(help="Only backbones or preprocess for image, text, ...")] = None,
    settings: Annotated[bool, typer.Option("--settings", help="Show every setting with its default.")] = False,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """List what there is of backbones, strategies, heads, tasks, ... and metrics, and their settings."""
    from graft import api

    rows = api.listing(what.value, settings=settings, modality=modality)
    if as_json:
        emit({what.value: rows})
    elif what is What.backbones:
        table("", *_backbones(rows))
        print("Weights come from:")
        for row in rows:
            print(f"  {row['name']}: {row['source']}" + (f"  ({row['note']})" if row.get("note") else ""))
        print(
            "Any other torchvision classifier or timm model works too, and what transformers can build from a folder or"
        )
        print("a repository of the hub (organisation/name): give its name. `file:` is what you give by --weights.")
        print("Recordings are drawn for any network of images. * is the default.")
    else:
        for row in rows:
            print(f"{row['name']}: {row['summary']}")
            for one in row.get("settings", ()):
                print(f"    {one['name']} = {one['default']}  ({one['type']})  {one['doc']}")


def _backbones(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    columns = ["name", "from", "size", "input", "out", "licence", "here"]
    cells = [
        [
            row["name"] + ("*" if row["default"] else ""),
            row["family"],
            "by file" if row["parameters"] is None else f"{row['parameters'] / 1e6:.1f} M",
            f"{row['input_size'][-1]} {row['unit']}",
            "by file" if row["features"] is None else str(row["features"]),
            row["licence"],
            "yes" if row["here"] else "no",
        ]
        for row in rows
    ]
    return columns, cells
