"""The commands, put together; importing this brings no torch, so that help answers at once."""

from typing import Annotated

import typer

from graft import __version__
from graft.cli import cache, demo, evaluate, fit, inspect, listing, predict, show

app = typer.Typer(
    name="graft",
    help="Transfer learning that people can trust: labelled data and a pretrained network in, a measured model out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: graft demo    Then: graft fit photos/ --out model/",
)
for module in (fit, evaluate, predict, inspect, show, cache, demo):
    app.command()(getattr(module, module.__name__.rpartition(".")[2]))
app.command("list")(listing.listing)


def _version(asked: bool) -> None:
    if asked:
        print(f"graft {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Transfer learning that people can trust."""
