"""Measures in a process of its own: ``call`` starts it, and running this file is that process."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MARK = "RESULT "


class Failed(Exception):
    """A measurement that ended without a result; the text is the last that it said."""


def call(function: str, *, env: Mapping[str, str] | None = None, **arguments: Any) -> dict[str, Any]:
    """Return what ``benchmarks.<module>:<function>`` returns in a fresh process. Raises Failed."""
    return run([sys.executable, "-m", "benchmarks.child", function, json.dumps(arguments, default=str)], env=env)


def run(command: list[str], *, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a command that prints ``RESULT`` and JSON as its last line, and return that. Raises Failed."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    said = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not said:
        last = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()][-3:]
        raise Failed(f"{' '.join(command[:4])} ended with {done.returncode}: {' / '.join(last)}")
    result: dict[str, Any] = json.loads(said[-1].removeprefix(MARK))
    return result


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="graft-bench-") as name:
        yield Path(name)


def main() -> None:
    """Call the named function and print what it returns."""
    module, _, name = sys.argv[1].partition(":")
    result = getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))
    print(MARK + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
