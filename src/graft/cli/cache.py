"""``graft cache``: how large the activation store is, and how to empty it."""

from typing import Annotated

import typer

from graft.cli import options
from graft.cli.terminal import emit, megabytes, table


def cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Delete all stored activations; they can be recomputed.")
    ] = False,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Show the activation store: where it is, how large, what for."""
    from graft.features import Store

    store = Store()
    freed = store.clear() if clear else 0
    shelves = store.shelves()
    total = store.size()
    if as_json:
        emit({"folder": str(store.root), "bytes": total, "freed": freed, "shelves": [one.to_json() for one in shelves]})
        return
    if clear:
        print(f"Freed {megabytes(freed)}.")
    rows = [[one.what, str(one.records), megabytes(one.bytes)] for one in shelves]
    if rows:
        table("", ["what", "records", "size"], rows)
    print(f"{megabytes(total)} in {store.root}")
