"""``graft abstain``: change which answers of a model are accepted."""

from typing import Annotated

import typer

from graft.cli import options
from graft.cli.terminal import emit
from graft.errors import SettingError, must


def abstain(
    model: options.ModelFolder,
    share: Annotated[
        float | None,
        typer.Argument(metavar="[SHARE]", help="At most so many of accepted answers may be wrong, 0 to 1."),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Accept unsure answers too.")] = False,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Accept only answers so sure that at most a share of them is wrong; nothing is fitted again."""
    from graft import api

    if (share is None) != off:
        got = "both" if off else "neither"
        raise SettingError(must("graft abstain", "given a share or --off", got, "Give 0.05 for at most 5 of 100"))
    found = api.abstain(model, share)
    if as_json:
        emit({"model": str(model), "abstain": found.to_json() if found else None})
    else:
        print(found.sentence() if found else "All answers are accepted but those to inputs unlike the training data.")
