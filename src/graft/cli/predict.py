"""``graft predict``: label and probability for files, folders, tables and texts."""

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from graft.cli import options
from graft.cli.terminal import emit, table, watching
from graft.errors import DataError, SettingError, must


def predict(
    model: options.ModelFolder,
    inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="[INPUT]...", help="Files, folders and tables; - for lines of text.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="A text itself. May be repeated.")] = None,
    lines: Annotated[
        list[Path] | None, typer.Option("--lines", metavar="FILE", help="A file with a text on each line; - for input.")
    ] = None,
    input_column: options.InputColumn = None,
    with_value: Annotated[
        list[str] | None,
        typer.Option("--with-value", metavar="COLUMN=VALUE", help="A column that the model takes. May be repeated."),
    ] = None,
    abstain: options.Abstain = None,
    sets: options.Sets = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: input, label, probability, accepted, ...")] = False,
    device: options.Device = None,
    runtime: options.Runtime = None,
    max_pixels: options.MaxPixels = None,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Answer for every input: its label, the probability, and whether the answer is accepted; else why not."""
    from graft import api

    files = [one for one in inputs or [] if str(one) != "-"]
    piped = [Path("-")] if len(files) < len(inputs or []) else []
    values = dict(map(_value, with_value or []))
    texts = [*(text or []), *(line for file in [*(lines or []), *piped] for line in _lines(file))]
    if not files and not texts:
        raise typer.BadParameter("Name files or folders, or give --text or --lines.", param_hint="INPUT")
    with watching(quiet=as_json or as_csv) as listener:
        asked = api.load(model, device=device or "auto", runtime=runtime or "auto", max_pixels=max_pixels)
        asked = asked.asking(abstain=abstain, sets=sets)
        found = api.predict(asked, files, texts=texts, input_column=input_column, values=values, listener=listener)
        for one in found.set_aside:
            listener.say(f"{one.input}: {one.message}")
    if found.set_aside and not found.predictions:
        do = "Give others, or mend what is named above"
        raise DataError(must("INPUT", "inputs that can be read", f"{len(found.set_aside)} that cannot", do))
    if as_json:
        emit(found.to_json())
    elif as_csv:
        writer = csv.writer(sys.stdout)
        rows = [cells(one.to_json(), 6) for one in found.predictions]
        writer.writerow(rows[0] if rows else ["input", "label", "probability", "accepted", "reason"])
        writer.writerows(row.values() for row in rows)
    else:
        rows = [cells(one.to_json(), 3) for one in found.predictions]
        table("", list(rows[0]) if rows else ["input"], [list(row.values()) for row in rows])


def cells(answer: Mapping[str, Any], digits: int) -> dict[str, str]:
    """Return an answer's columns as text; what is said of each label apart stays in JSON."""
    found: dict[str, str] = {}
    for name, value in answer.items():
        if value is None or isinstance(value, bool):
            found[name] = {True: "yes", False: "no", None: ""}[value]
        elif isinstance(value, list):
            found[name] = "|".join(value)
        elif isinstance(value, float):
            found[name] = f"{value:.{digits}f}" if name == "probability" else f"{value:.6g}"
        elif isinstance(value, str):
            found[name] = value
    return found


def _value(pair: str) -> tuple[str, str]:
    """Return the column and the value of ``column=value``. Raises SettingError."""
    column, equals, value = pair.partition("=")
    if not (column and equals):
        raise SettingError(must("--with-value", "column=value", repr(pair), "Write it such as --with-value price=3"))
    return column, value


def _lines(file: Path) -> list[str]:
    """Return the lines of a file, or of standard input for ``-``, the empty ones left out. Raises DataError."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        do = "Check the path"
        raise DataError(must("--lines", "a file that can be read", f"{file} ({error.strerror})", do)) from None
    except UnicodeDecodeError as error:
        got = f"a byte that is not at {error.start:,}"
        raise DataError(must(f"The lines of {file}", "in UTF-8", got, "Save it again as UTF-8")) from None
    # Not splitlines: a text may hold U+2028.
    return [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
