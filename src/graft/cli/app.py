"""The commands, put together; importing this brings no torch, so that help answers at once."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from graft import __version__
from graft.cli import (
    abstain,
    bench,
    cache,
    compress,
    demo,
    evaluate,
    export,
    fit,
    inspect,
    listing,
    predict,
    serve,
    show,
    watch,
)


class Verbs(TyperGroup):
    """The commands; one that is stopped says that nothing is lost, and ends with 130."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("Stopped. What was computed is kept: run the same command again to go on.", file=sys.stderr)
            raise


app = typer.Typer(
    name="graft",
    cls=Verbs,
    help="Transfer learning that people can trust: labelled data and a pretrained network in, a measured model out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: graft demo    Then: graft fit photos/ --out model/",
)
VERBS = (fit, evaluate, predict, abstain, watch, inspect, show, compress, bench, export, serve, cache, demo)
for module in VERBS:
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
