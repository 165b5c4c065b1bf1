"""What all tests share: a cache of their own; for the upper floors also tiny photos, quick models, the command line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import quick_fit
from quick_fit import PROBE, TUNE, Fitted, Ran

REAL = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    """Point the activation store at a folder of this test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GRAFT_CACHE", str(folder))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of photo folders below the test's own folder; by default 36 in three classes."""

    def make(name: str = "photos", **settings: int) -> Path:
        return quick_fit.make_photos(tmp_path / name, **settings)

    return make


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder of the real data sets."""
    if not REAL.is_dir():
        pytest.skip(f"the real data are absent: {REAL}")
    return REAL


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Keep torch to one thread, as the command line fixture does."""
    with quick_fit.one_thread():
        yield


@pytest.fixture
def graft() -> Iterator[Callable[..., Ran]]:
    """Return the command line, run in this process: ``graft("show", folder, "--json").json``."""
    with quick_fit.one_thread():
        yield quick_fit.run_graft


@pytest.fixture(scope="session")
def probe(tmp_path_factory) -> Fitted:
    """Return a linear probe on tiny photos."""
    return quick_fit.fit_once(tmp_path_factory.mktemp("probe"), *PROBE)


@pytest.fixture(scope="session")
def tuned(tmp_path_factory) -> Fitted:
    """Return a network whose last stages were fine-tuned on tiny photos."""
    return quick_fit.fit_once(tmp_path_factory.mktemp("tuned"), *TUNE)
