"""The quickest fits there are, through the command line in this process: tiny photos, a tiny network."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

TORCH = ("--runtime", "torch:float32")
"""The reference runtime: which one ``auto`` takes is measured, and may differ in the last digits from run to run."""
QUICK = ("--backbone", "test_efficientnet", "--weights", "random", *TORCH)
"""A network of 0.4 M parameters: a fit takes a third of a second."""
PROBE = (*QUICK, "--strategy", "linear_probe")
TUNE = (
    *QUICK,
    *("--strategy", "partial", "--augment", "none", "--views", "1"),
    *("--set", "partial.optimisation.epochs=3", "--set", "partial.regularisation.patience=0"),
    *("--set", "partial.numerics.precision=float32", "--set", "partial.numerics.layout=contiguous"),
)
"""Three epochs of partial fine-tuning, without the measurements at its start."""


def make_photos(folder: Path, *, classes: int = 3, each: int = 12, side: int = 48, seed: int = 0) -> Path:
    """Write ``classes`` folders of ``each`` coloured pictures, JPEG and PNG in turn; a colour is a class."""
    draw = np.random.default_rng(seed)
    colours = np.array([(200, 60, 60), (60, 200, 60), (60, 60, 200), (200, 200, 60), (60, 200, 200)])
    for label in range(classes):
        home = folder / f"class{label}"
        home.mkdir(parents=True)
        for number in range(each):
            pixels = colours[label] + draw.normal(0, 25, (side, side, 3)) + draw.normal(0, 25, 3)
            picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            picture.save(home / f"{number:03d}.{'jpg' if number % 2 else 'png'}")
    return folder


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What stands on standard output, which must be one JSON object and nothing else."""
        assert self.code == 0, self.err
        assert self.out.endswith("\n") and self.out.count("\n") == 1, self.out
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def complaint(self) -> str:
        """The one clear sentence of a command that ended with exit 1."""
        assert self.code == 1, (self.code, self.out, self.err)
        assert self.out == ""
        assert "Traceback" not in self.err
        last = self.err.strip().splitlines()[-1]
        assert " must be " in last and ". Got " in last and last.endswith((".", "?")), self.err
        return last


def run_graft(*words: object) -> Ran:
    """Run the command line in this process."""
    from graft.cli import main

    out, err, before, code = io.StringIO(), io.StringIO(), sys.argv, 0
    sys.argv = ["graft", *(os.fspath(word) if isinstance(word, Path) else str(word) for word in words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    return Ran(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: more cost time on nets as small as these, and their number moves the last bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Fitted:
    """A model that was fitted once for many tests; none of them changes it."""

    photos: Path
    folder: Path
    ran: Ran


def fit_once(home: Path, *words: object) -> Fitted:
    """Fit to tiny photos below ``home``, with a cache of its own."""
    return fit_table(home, make_photos(home / "photos"), *words)


def fit_table(home: Path, source: Path, *words: object) -> Fitted:
    """Fit to a folder or table, with a model and a cache below ``home``."""
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(home / "cache"))
        ran = run_graft("fit", source, "--out", home / "model", "--json", *words)
    assert ran.code == 0, ran.err
    return Fitted(source, home / "model", ran)
