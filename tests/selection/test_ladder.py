"""The ladder keeps a rung only when it beats the one below by more than chance."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from torch import nn

from graft.heads import REGISTRY as HEADS
from graft.selection.ladder import LEVEL, Climb, Rung, Step, climb, first_value, honest
from graft.selection.rungs import fewest
from graft.strategies import Fitted, Material, Strategy
from graft.tasks.classification import Classification
from graft.types import Estimate

N = 200
TASK = Classification.learn(["a", "b"])


@dataclass(frozen=True, kw_only=True)
class Right(Strategy):
    """Answers as many items right as it is told, the first ones."""

    share: float = 0.5
    out_of_fold: bool = True
    fits: list = field(default_factory=list)

    def cut(self, backbone):
        return 1

    @property
    def n_views(self):
        return 1

    def fit(self, material):
        self.fits.append(material.probe)
        targets = material.targets
        logits = np.eye(2, dtype=np.float32)[targets] * 4 - 2
        wrong = np.arange(N) >= self.share * N
        logits[wrong] *= -1
        rows = np.concatenate([material.train, material.validation])
        return Fitted(
            1,
            nn.Sequential(),
            nn.Identity(),
            logits[material.validation],
            logits[rows] if self.out_of_fold else None,
            resolved={"share": self.share},
        )


def step(name, share, **more):
    settings = {key: more.pop(key) for key in ("out_of_fold",) if key in more}
    mixed = np.random.default_rng(0).permutation(N)

    def prepare(probe):
        return Material(
            backbone=None,
            head=HEADS.create("linear"),
            task=TASK,
            activations=None,
            targets=np.arange(N) % 2,
            train=np.sort(mixed[:150]),
            validation=np.sort(mixed[150:]),
            probe=probe,
        )

    return Step(name=name, strategy=Right(share=share, **settings), prepare=prepare, **more)


def test_a_rung_is_kept_when_it_is_better_by_more_than_chance():
    found = climb([step("majority", 0.5), step("linear_probe", 0.8), step("partial", 0.81), step("full", 0.95)])
    assert [rung.kept for rung in found.rungs] == [True, True, False, True]
    assert [rung.against for rung in found.rungs] == [None, "majority", "linear_probe", "linear_probe"]
    assert found.rungs[0].p_value is None
    assert found.rungs[1].p_value < LEVEL < found.rungs[2].p_value
    assert found.best.strategy == "full"
    gain = found.rungs[3].difference
    assert gain.low <= gain.value <= gain.high
    assert gain.value == pytest.approx(0.15)
    assert gain.n == N


def test_the_first_metric_is_measured_on_what_no_model_had_seen():
    found = climb([step("one", 0.8), step("two", 0.9, out_of_fold=False)])
    assert found.rungs[0].validation["accuracy"].n == N
    assert found.rungs[1].validation["accuracy"].n == 50
    # Compared on the items that both can be judged on.
    assert found.rungs[1].difference.n == 50
    fitted = found.rungs[0].fitted
    logits, rows = honest(fitted, np.arange(150), np.arange(150, 200))
    assert len(logits) == len(rows) == N


def test_a_forced_strategy_is_kept_whatever_the_test_says():
    found = climb([step("linear_probe", 0.9), step("partial", 0.4)], forced="partial")
    assert found.rungs[1].kept
    assert found.best.strategy == "partial"
    assert found.rungs[1].p_value > 0.9


def test_a_rung_without_a_network_is_shown_and_never_shipped():
    found = climb([step("simple_features", 0.95, network=False), step("linear_probe", 0.8)])
    assert [rung.kept for rung in found.rungs] == [True, False]
    assert found.rungs[0].cut is None
    assert not found.rungs[0].ships
    assert found.best.strategy == "linear_probe"
    assert found.outdone().startswith("Simple features alone did better than the network that is shipped: ")
    assert "linear probe has -15.0 points [" in found.outdone()


@pytest.mark.parametrize("value", [0.80, 0.96])
def test_a_rung_that_is_not_clearly_below_what_cannot_be_shipped_is_not_warned_of(value):
    found = climb([step("simple_features", 0.8, network=False), step("linear_probe", value)])
    assert found.outdone() is None


def test_what_is_skipped_is_told_and_what_is_forced_is_not_skipped():
    seen = []

    def reason(below):
        seen.append([rung.strategy for rung in below])
        return "it takes too long"

    found = climb([step("linear_probe", 0.8), step("partial", 0.9, reason_to_skip=reason)])
    assert found.left_out == ("Partial was left out: it takes too long.",)
    assert seen == [["linear_probe"]]
    assert found.verdict() == "Fine-tuning was not tried."
    found = climb([step("linear_probe", 0.8), step("partial", 0.9, reason_to_skip=reason)], forced="partial")
    assert found.left_out == ()
    found = climb([step("linear_probe", 0.8), step("partial", 0.9, reason_to_skip=lambda below: "")])
    assert (len(found.rungs), found.left_out) == (1, ())


def test_fine_tuning_starts_from_the_rung_that_is_meant_for_it():
    last = step("partial", 0.9)
    climb([step("nearest_mean", 0.7), step("linear_probe", 0.8, starts=True), last])
    assert last.strategy.fits[0].resolved == {"share": 0.8}


def test_each_rung_is_announced_as_it_is_done():
    told = []
    found = climb([step("majority", 0.5), step("linear_probe", 0.8)], announce=told.append)
    assert tuple(told) == found.rungs


def test_the_same_seed_gives_the_same_numbers():
    one, other = (climb([step("a", 0.7), step("b", 0.75)], seed=3) for _ in range(2))
    assert [rung.validation for rung in one.rungs] == [rung.validation for rung in other.rungs]
    assert one.rungs[1].difference == other.rungs[1].difference


def made(strategy, value, *, kept, p=0.5, gain=0.01):
    estimate = Estimate(value, value - 0.1, value + 0.1, 50)
    difference = Estimate(gain, gain - 0.02, gain + 0.02, 50)
    fitted = Fitted(1, nn.Sequential(), nn.Identity(), np.zeros((1, 2), np.float32))
    return Rung(strategy, {"accuracy": estimate}, kept, p, 1.0, 1, "linear_probe", difference, fitted=fitted)


def test_the_verdict_names_gain_interval_items_and_test():
    probe = made("linear_probe", 0.8, kept=True)
    worth = Climb((probe, made("partial", 0.9, kept=True, p=0.0001, gain=0.1)), ()).verdict()
    assert worth.startswith("Fine-tuning was worth it: +10.0 points [+8.0, +12.0]")
    assert "50 validation items" in worth
    assert "p = below 0.001" in worth
    assert "not worth it" in Climb((probe, made("partial", 0.8, kept=False, p=0.4)), ()).verdict()
    # A kept one speaks before a better one that was not kept.
    both = Climb((probe, made("partial", 0.85, kept=True, p=0.01), made("full", 0.86, kept=False)), ()).verdict()
    assert "p = 0.010" in both


def test_where_nothing_was_kept_the_best_that_can_be_shipped_is():
    rungs = (made("nearest_mean", 0.7, kept=False), made("linear_probe", 0.8, kept=False))
    assert Climb(rungs, ()).best.strategy == "linear_probe"
    assert first_value(rungs[0]) == 0.7


def test_rungs_as_json_are_plain():
    import json

    found = climb([step("majority", 0.5), step("linear_probe", 0.8)])
    plain = [rung.to_json() for rung in found.rungs]
    assert json.loads(json.dumps(plain, default=list))[1]["strategy"] == "linear_probe"
    assert {"strategy", "validation", "kept", "p_value", "seconds", "cut", "notes", "history"} <= plain[0].keys()


def test_the_fewest_wins_that_can_be_told_from_chance_are_those_of_the_test():
    """Wins without a loss among many ties: the number that `auto` asks for is the first that is significant."""
    from graft.evaluation import paired_test

    def p(wins):
        below = np.zeros(60)
        above = below.copy()
        above[:wins] = 1
        return paired_test(below, above).p_value

    assert p(fewest()) < LEVEL <= p(fewest() - 1)
