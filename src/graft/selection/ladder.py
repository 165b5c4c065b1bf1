"""The ladder: rung after rung, each kept only when it beats the best one below by more than chance."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from graft import evaluation
from graft.errors import DivergenceError
from graft.evaluation.intervals import bootstrap_mean
from graft.heads import Head
from graft.strategies import Fitted, Material, Strategy
from graft.types import Estimate

LEVEL = 0.05
"""A rung is kept when the one-sided paired test against the best one below gives less."""


@dataclass(frozen=True)
class Rung:
    """One way that was tried and how it did on validation data."""

    strategy: str
    validation: Mapping[str, Estimate]
    """Metrics on ``rows``, from models that had not seen them."""
    kept: bool
    p_value: float | None
    """Of the paired test against the best rung below; None for the first one."""
    seconds: float
    """All that this rung cost: extraction at its cut and training."""
    cut: int | None = None
    """None for a rung without a network."""
    against: str | None = None
    """The rung that it was compared with."""
    difference: Estimate | None = None
    """Gain in the first metric over ``against`` on the same items."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Every setting of the strategy, with what was chosen for it."""
    head: Head | None = field(default=None, repr=False)
    fitted: Fitted | None = field(default=None, repr=False)

    @property
    def ships(self) -> bool:
        """Whether this rung can be the model: it has a network and learned something."""
        return self.cut is not None and self.fitted is not None

    def to_json(self) -> dict[str, Any]:
        """Return the rung in the shape that ``graft fit --json`` promises."""
        fitted = self.fitted
        return {
            "strategy": self.strategy,
            "validation": {name: one.to_json() for name, one in self.validation.items()},
            "kept": self.kept,
            "p_value": self.p_value,
            "seconds": round(self.seconds, 3),
            "cut": self.cut,
            "against": self.against,
            "difference": self.difference.to_json() if self.difference else None,
            "settings": dict(self.settings),
            "notes": list(fitted.notes) if fitted else [],
            "history": [finite(record) for record in fitted.history] if fitted else [],
        }


@dataclass(frozen=True, kw_only=True)
class Step:
    """A rung that is to be tried: its name, its strategy, and how its material is prepared when its turn comes."""

    name: str
    strategy: Strategy
    prepare: Callable[[Fitted | None], Material]
    """Given the fitted probe, brings the activations at this strategy's cut."""
    starts: bool = False
    """Whether fine-tuning starts from this rung's head."""
    network: bool = True
    """False for a rung on features without a network: it shows the floor and is never shipped."""
    reason_to_skip: Callable[[Sequence[Rung]], str | None] = lambda below: None
    """Given the rungs below, a sentence where this one is not worth its time; an empty one where that is usual."""


@dataclass(frozen=True)
class Climb:
    """What the ladder found."""

    rungs: tuple[Rung, ...]
    left_out: tuple[str, ...]
    """Sentences: which rungs were not tried, and why."""

    @property
    def best(self) -> Rung:
        """The rung that is shipped: the highest kept one that has a network, else the best such one."""
        able = [rung for rung in self.rungs if rung.ships]
        kept = [rung for rung in able if rung.kept]
        return kept[-1] if kept else max(able, key=first_value)

    def verdict(self) -> str:
        """Return the sentence on whether fine-tuning was worth it."""
        tuned = [rung for rung in self.rungs if rung.strategy in ("partial", "full")]
        if not tuned:
            return "Fine-tuning was not tried."
        best = max(tuned, key=lambda rung: (rung.kept, first_value(rung)))
        if best.difference is None:
            return f"{best.strategy.capitalize()} fine-tuning had nothing to be compared with."
        return f"Fine-tuning was {'' if best.kept else 'not '}worth it: {gained(best)}."

    def outdone(self) -> str | None:
        """Return a sentence where a rung that cannot be shipped is better than the one that is, by more than chance."""
        best = self.best
        others = {rung.strategy for rung in self.rungs if not rung.ships}
        if best.kept or best.against not in others or best.difference is None or best.difference.high >= 0:
            return None
        return (
            f"{spoken(str(best.against)).capitalize()} alone did better than the network that is shipped: "
            f"{spoken(best.strategy)} has {points(best)} over them. "
            "Give it more time with --budget, or another network with --backbone."
        )


def points(rung: Rung) -> str:
    """Return by how much a rung is above the one that it was compared with, with the interval."""
    gain = rung.difference
    assert gain is not None
    if next(iter(rung.validation), "") == "r2":  # no share of right answers, so no points of a hundred
        return f"{gain.value:+.3f} of the variance explained [{gain.low:+.3f}, {gain.high:+.3f}]"
    return f"{100 * gain.value:+.1f} points [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


def gained(rung: Rung) -> str:
    """Return by how much a rung is above the one that it was compared with, and how surely."""
    assert rung.difference is not None
    over = f"over {spoken(str(rung.against))} on {rung.difference.n} validation items"
    return f"{points(rung)} {over}, p = {_p(rung.p_value)}"


def first_value(rung: Rung) -> float:
    """Return the value of the metric that the ladder compares."""
    return next(iter(rung.validation.values())).value


def finite(record: Mapping[str, float]) -> dict[str, float | None]:
    """Return the record as JSON can hold it: what diverged to infinity or not-a-number becomes None."""
    return {name: value if math.isfinite(value) else None for name, value in record.items()}


def spoken(name: str) -> str:
    """Return a name as it is spoken in a sentence."""
    return name.replace("_", " ")


def _p(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.3f}" if value >= 0.001 else "below 0.001"


def climb(
    steps: Sequence[Step],
    *,
    forced: str | None = None,
    seed: int = 0,
    announce: Callable[[Rung], None] = lambda rung: None,
) -> Climb:
    """Try the steps in order; ``forced`` names the strategy that is kept whatever the test says."""
    rungs: list[Rung] = []
    left_out: list[str] = []
    passed_over: dict[str, list[str]] = {}
    probe: Fitted | None = None
    best: tuple[Rung, Material] | None = None
    for step in steps:
        reason = step.reason_to_skip(rungs)
        if reason is not None and step.name != forced:
            if reason:
                passed_over.setdefault(reason, []).append(spoken(step.name))
            continue
        start = time.perf_counter()
        material = step.prepare(probe)
        try:
            fitted = step.strategy.fit(material)
        except DivergenceError as error:
            if step.name == forced:
                raise
            left_out.append(f"{spoken(step.name).capitalize()} was given up: {error}")
            continue
        rung = judge(step, material, fitted, seed, time.perf_counter() - start)
        if best is not None:
            rung = compared(rung, material, *best, forced=forced, seed=seed)
        if step.starts:
            probe = fitted
        if rung.kept:
            best = (rung, material)
        rungs.append(rung)
        announce(rung)
    for reason, names in passed_over.items():
        was = "was" if len(names) == 1 else "were"
        left_out.append(f"{' and '.join(names).capitalize()} {was} left out: {reason}.")
    return Climb(tuple(rungs), tuple(left_out))


def judge(step: Step, material: Material, fitted: Fitted, seed: int, seconds: float) -> Rung:
    """Return the rung with its metrics on all items that it has honest outputs for."""
    logits, rows = honest(fitted, material.train, material.validation)
    names = material.task.metrics
    measured = evaluation.evaluate(material.task, logits, material.targets[rows], names=names, seed=seed).metrics
    if names[0] not in measured:
        # A few numbers may all be the same, and have no variance to explain; they have scores all the same.
        scores = material.task.item_scores(logits, material.targets[rows])
        measured = {names[0]: bootstrap_mean(scores, seed), **measured}
    cut = fitted.cut if step.network and step.strategy.learns else None
    settings = {**asdict(step.strategy), **fitted.resolved}
    # What later steps ask of the features, they ask of the probe's; others need not be held in memory.
    fitted = fitted if step.starts else replace(fitted, basis=None)
    return Rung(step.name, measured, True, None, seconds, cut, settings=settings, head=material.head, fitted=fitted)


def honest(fitted: Fitted, train: np.ndarray, validation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return logits from models that had not seen the items, and the items' row numbers."""
    if fitted.development_logits is not None:
        return fitted.development_logits, np.concatenate([train, validation])
    return fitted.validation_logits, validation


def compared(
    rung: Rung, material: Material, best: Rung, best_material: Material, *, forced: str | None, seed: int
) -> Rung:
    """Return the rung with its paired test against the best one below, on the items that both can be judged on."""
    assert rung.fitted is not None and best.fitted is not None
    mine, theirs = rung.fitted, best.fitted
    if mine.development_logits is not None and theirs.development_logits is not None:
        pair = (theirs.development_logits, mine.development_logits)
        rows = np.concatenate([material.train, material.validation])
    else:
        pair = (theirs.validation_logits, mine.validation_logits)
        rows = material.validation
    below, above = (material.task.item_scores(logits, material.targets[rows]) for logits in pair)
    test = evaluation.paired_test(below, above, seed=seed)
    kept = test.p_value < LEVEL or rung.strategy == forced
    return replace(rung, kept=kept, p_value=test.p_value, against=best.strategy, difference=test.difference)
