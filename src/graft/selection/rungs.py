"""The steps of a fit: each strategy of the plan with how its material is brought, and when it is not worth its time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from graft.selection.gather import Gathered, Joined, Matrix, Rows
from graft.selection.ladder import LEVEL, Climb, Rung, Step, honest, spoken
from graft.selection.settings import Plan
from graft.strategies import Fitted, Material, Strategy
from graft.strategies._joined_probe import WEIGHTS, JoinedProbe

SIMPLE = "simple_features"
JOINED = "joined_probe"
EXTRA = "extra_features"
"""What the person asked for beside the network's features, alone."""
TUNING = ("partial", "full")
FULL_SHARE = 0.1
"""Of the budget that full fine-tuning may take without being asked for. On 650 photos of clothes it took seven times as
long as partial fine-tuning, and what it gained could not be told from chance."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a fit may still spend, and where it keeps what a killed run continues from."""

    deadline: float
    """On the clock of ``time.monotonic``."""
    whole: float
    """Seconds that the person gave."""
    folder: Path | None = None
    on_epoch: Callable[[str, Mapping[str, float]], None] = lambda strategy, record: None

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.deadline - time.monotonic()


def steps(gathered: Gathered, plan: Plan, budget: Budget, *, ladder: bool) -> list[Step]:
    """Return the steps in the order of the plan; the ladder also gets the rungs without a network."""
    found: list[Step] = []
    probe = dict(plan.strategies).get("linear_probe")
    for name, strategy in plan.strategies:
        found.append(
            Step(
                name=name,
                strategy=strategy,
                prepare=_preparer(gathered, name, strategy, budget),
                network=strategy.learns,
                starts=name == plan.start,
                reason_to_skip=_why_not(gathered, name, strategy, budget) if ladder else lambda below: None,
            )
        )
        if probe is None:
            continue
        if ladder and name == "majority":
            found.append(_alone(gathered, probe, SIMPLE, gathered.extraction.measures[SIMPLE]))
        if name == "linear_probe" and gathered.beside is not None:
            found.append(_joined(gathered, probe, budget))
    if probe is not None and gathered.beside is not None and gathered.beside.named:
        place = next(number for number, step in enumerate(found) if step.network)
        found.insert(place, _alone(gathered, probe, EXTRA, gathered.beside.values))
    return found


def _preparer(gathered: Gathered, name: str, strategy: Strategy, budget: Budget) -> Callable[[Fitted | None], Material]:
    def prepare(probe: Fitted | None) -> Material:
        return gathered.material(
            strategy,
            name,
            probe,
            checkpoint=budget.folder / name if budget.folder else None,
            seconds_left=budget.left,
            on_epoch=lambda record: budget.on_epoch(name, record),
        )

    return prepare


def _alone(gathered: Gathered, probe: Strategy, name: str, values: np.ndarray) -> Step:
    """Return a rung on features without a network: the same solver, with ``values`` (n, features) for a backbone's.

    They are those of all inputs.
    """
    own = Rows(Matrix(values), gathered.development)
    return Step(
        name=name,
        strategy=probe,
        prepare=lambda _: gathered.material(probe, name, None, activations=own),
        network=False,
    )


def _joined(gathered: Gathered, probe: Strategy, budget: Budget) -> Step:
    """Return the probe on the network's features and those beside them.

    What was asked for is always tried. Simple features are tried where the probe leaves anything to gain: they need not
    win alone to add something.
    """
    added = gathered.beside
    assert added is not None

    def reason(below: Sequence[Rung]) -> str | None:
        best = Climb(tuple(below), ()).best
        if added.named:
            return None
        if _wrong_of_all(gathered, best) < fewest():
            return ""
        need = sum(rung.seconds for rung in below if rung.strategy in (SIMPLE, "linear_probe"))
        if need > budget.left() / 2:
            return f"it would take about {need:.0f} s of the {max(budget.left(), 0):.0f} s left"
        return None

    # The ladder's simple features come at a length that suits them; what a person names can be anything.
    settings = {one.name: getattr(probe, one.name) for one in fields(probe)}
    weights = WEIGHTS if added.named else (1.0,)
    both = Rows(Joined(gathered.top, Matrix(added.values)), gathered.development)
    return Step(
        name=JOINED,
        strategy=JoinedProbe(**settings, width=added.learned.width, weights=weights),
        prepare=lambda _: gathered.material(probe, JOINED, None, activations=both),
        reason_to_skip=reason,
    )


def _why_not(
    gathered: Gathered, name: str, strategy: Strategy, budget: Budget
) -> Callable[[Sequence[Rung]], str | None]:
    def reason(below: Sequence[Rung]) -> str | None:
        if name not in TUNING:
            return None
        best = Climb(tuple(below), ()).best if any(rung.ships for rung in below) else None
        if best is not None and (wrong := _wrong(gathered, best)) < fewest():
            return (
                f"{spoken(best.strategy)} errs on {wrong} of {len(gathered.parts.val)} validation items, "
                f"and a gain of fewer than {fewest()} could not be told from chance"
            )
        if name == "full" and any(rung.strategy == "partial" and not rung.kept for rung in below):
            return "partial fine-tuning did not beat what is below it by more than chance"
        if name == "full" and (need := _tuning_seconds(gathered, strategy)) > budget.whole * FULL_SHARE:
            asked = f"--budget {np.ceil(need / FULL_SHARE / 60):.0f}m or --strategy full"
            return f"it would take about {_spoken_seconds(need)}, over a tenth of the budget: ask for it with {asked}"
        need = _pass_seconds(gathered, strategy)
        if need > budget.left() / 2:
            return f"bringing its activations would take about {need:.0f} s of the {max(budget.left(), 0):.0f} s left"
        return None

    return reason


def fewest() -> int:
    """Return how many wins without a loss the mid-p test needs to be below its level: 0.5^(wins + 1) < level."""
    return int(np.floor(-np.log2(LEVEL)))


def _wrong(gathered: Gathered, rung: Rung) -> int:
    """Return on how many validation items a rung that scores 0 or 1 an item errs."""
    assert rung.fitted is not None
    rows = gathered.parts.val
    scores = gathered.task.item_scores(rung.fitted.validation_logits, gathered.task.targets(gathered.labels(rows)))
    return int(np.sum(scores < 1))


def _wrong_of_all(gathered: Gathered, rung: Rung) -> int:
    """Return on how many of all items that it has honest outputs for a rung errs."""
    assert rung.fitted is not None
    logits, rows = honest(rung.fitted, gathered.halves.train, gathered.halves.validation)
    return int(np.sum(gathered.task.item_scores(logits, gathered.targets(gathered.development[rows])) < 1))


def _pass_seconds(gathered: Gathered, strategy: Strategy) -> float:
    """Return about how long the views of a strategy take, from the rate of the pass that was made."""
    choice = gathered.extraction.choice
    if choice is None or not choice.rates:
        return 0.0
    return len(gathered.parts.train) * strategy.n_views / max(choice.rates.values())


def _tuning_seconds(gathered: Gathered, strategy: Strategy) -> float:
    """Return about how long training the whole network takes: twice a pass of eager torch an epoch.

    The backward pass costs two forward ones, and the rate was measured on one batch, which leaves cores idle.
    """
    choice = gathered.extraction.choice
    rate = choice.rates.get("torch:float32") if choice is not None else None
    epochs: int = strategy.optimisation.epochs  # type: ignore[attr-defined]
    return 2 * epochs * len(gathered.parts.train) / rate if rate else 0.0


def _spoken_seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
