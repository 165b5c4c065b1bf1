"""What tests of the upper floors share: a cache of their own, tiny photos, a quick model, and the command line."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REAL = Path(__file__).parents[2] / "shared" / "data"

QUICK = ("--backbone", "test_efficientnet", "--weights", "random", "--runtime", "torch:float32")
"""A network of 0.4 M parameters on the reference runtime: a fit takes a third of a second."""
TUNE = (
    *("--strategy", "partial", "--augment", "none", "--views", "1"),
    *("--set", "partial.optimisation.epochs=3", "--set", "partial.regularisation.patience=0"),
    *("--set", "partial.numerics.precision=float32", "--set", "partial.numerics.layout=contiguous"),
)
"""Three epochs of partial fine-tuning, without the measurements at its start."""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    """Point the activation store at a folder of this test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GRAFT_CACHE", str(folder))
    return folder


@pytest.fixture
def one_thread():
    """Threads cost more than they bring on nets as small as these, most of all beside other tests."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_photos(folder: Path, *, classes: int = 3, each: int = 12, side: int = 48, seed: int = 0) -> Path:
    """Write ``classes`` folders of ``each`` coloured pictures, JPEG and PNG in turn; a colour is a class."""
    from PIL import Image

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


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of photo folders below the test's own folder; by default 36 in three classes."""

    def make(name: str = "photos", **settings: int) -> Path:
        return make_photos(tmp_path / name, **settings)

    return make


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder of the real data sets."""
    if not REAL.is_dir():
        pytest.skip(f"the real data are absent: {REAL}")
    return REAL


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


@pytest.fixture
def graft(one_thread) -> Callable[..., Ran]:
    """Return the command line, run in this process: ``graft("show", folder, "--json").json``."""
    return run_graft


@dataclass(frozen=True)
class Fitted:
    """A model that was fitted once for many tests; none of them changes it."""

    photos: Path
    folder: Path
    ran: Ran


def fit_once(home: Path, *words: object) -> Fitted:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(home / "cache"))
        source = make_photos(home / "photos")
        ran = run_graft("fit", source, "--out", home / "model", "--json", *QUICK, *words)
    assert ran.code == 0, ran.err
    return Fitted(source, home / "model", ran)


@pytest.fixture(scope="session")
def probe(tmp_path_factory) -> Fitted:
    """Return a linear probe on tiny photos."""
    return fit_once(tmp_path_factory.mktemp("probe"), "--strategy", "linear_probe")


@pytest.fixture(scope="session")
def tuned(tmp_path_factory) -> Fitted:
    """Return a network whose last stages were fine-tuned on tiny photos."""
    return fit_once(tmp_path_factory.mktemp("tuned"), *TUNE)


@pytest.fixture
def complaint() -> Callable[[Ran], str]:
    """Return a check that a command ended with exit 1 and one clear sentence, which it returns."""

    def check(ran: Ran) -> str:
        assert ran.code == 1, (ran.code, ran.out, ran.err)
        assert ran.out == ""
        assert "Traceback" not in ran.err
        last = ran.err.strip().splitlines()[-1]
        assert " must be " in last and ". Got " in last and last.endswith("."), ran.err
        return last

    return check
