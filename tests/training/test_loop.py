"""The training loop: what it learns, keeps, freezes, repeats and stops for."""

import dataclasses

import numpy as np
import pytest
import torch

from graft.errors import DivergenceError
from graft.training import Conditions, Numerics, Optimisation, Regularisation, train

PLAIN = Numerics(precision="float32", layout="contiguous")
SHORT = Optimisation(lr=1e-2, epochs=3, batch_size=16)


def run(problem, optimisation=SHORT, regularisation=None, numerics=PLAIN, **conditions):
    return train(problem, optimisation, regularisation or Regularisation(), numerics, Conditions(**conditions))


def state(trained):
    return trained.stages.state_dict() | {f"head.{k}": v for k, v in trained.head.state_dict().items()}


def same_bits(one, other):
    a, b = state(one), state(other)
    return (
        a.keys() == b.keys()
        and all(torch.equal(a[name], b[name]) for name in a)
        and np.array_equal(one.validation_logits, other.validation_logits)
        and [r["val_loss"] for r in one.history] == [r["val_loss"] for r in other.history]
    )


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd", "adagrad"])
def test_learns_and_leaves_the_given_modules_alone(problem, optimiser):
    given = problem()
    before = {name: value.clone() for name, value in given.stages.state_dict().items()}
    found = run(given, dataclasses.replace(SHORT, epochs=8, lr=3e-2, optimiser=optimiser))
    assert given.score(found.validation_logits, given.targets[given.validation]) > 0.7
    assert all(torch.equal(before[name], value) for name, value in given.stages.state_dict().items())
    assert not any(module.training for module in found.stages.modules())
    assert not any(p.requires_grad for p in found.head.parameters())


def test_returns_the_best_epoch_and_what_it_said(problem):
    given = problem()
    found = run(given, dataclasses.replace(SHORT, epochs=6))
    best = max(found.history, key=lambda r: (r["val_score"], -r["val_loss"]))
    assert found.resolved["best_epoch"] == best["epoch"]
    again = found.head(found.stages(torch.from_numpy(given.read(given.validation, 0)))).numpy()
    np.testing.assert_allclose(again, found.validation_logits, rtol=1e-4, atol=1e-5)
    assert given.score(again, given.targets[given.validation]) == best["val_score"]
    assert [r["epoch"] for r in found.history] == list(range(1, len(found.history) + 1))


def test_same_seed_same_bits_another_seed_others(problem):
    mixed = Regularisation(mixup=0.3, cutmix=1.0)
    one, other = (run(problem(), regularisation=mixed, seed=3) for _ in range(2))
    assert same_bits(one, other)
    assert not same_bits(one, run(problem(), regularisation=mixed, seed=4))


def test_norms_keep_their_statistics_unless_told_otherwise(problem):
    given = problem()
    frozen = run(given)
    moving = run(given, regularisation=Regularisation(freeze_norms=False))
    for found, kept in ((frozen, True), (moving, False)):
        norm = found.stages[0][1]
        assert torch.equal(norm.running_mean, given.stages[0][1].running_mean) == kept
        assert not torch.equal(norm.weight, given.stages[0][1].weight)


def test_every_view_is_drawn_in_training_and_the_plain_one_in_validation(problem):
    given = problem(views=3)
    seen = {"train": set(), "validation": set()}

    def read(rows, views):
        part = "validation" if set(rows) <= set(given.validation) else "train"
        seen[part] |= set(np.broadcast_to(views, rows.shape).tolist())
        return given.read(rows, views)

    run(dataclasses.replace(given, read=read))
    assert seen == {"train": {0, 1, 2}, "validation": {0}}


def test_every_row_is_seen_once_an_epoch(problem):
    given = problem()
    epochs, since_validation = [], []

    def read(rows, views):
        if set(rows) <= set(given.validation):
            epochs.append(sorted(since_validation))
            since_validation.clear()
        else:
            since_validation.extend(rows.tolist())
        return given.read(rows, views)

    run(dataclasses.replace(given, read=read), dataclasses.replace(SHORT, epochs=2, batch_size=7))
    assert epochs[1:3] == [given.train.tolist()] * 2


def test_stops_early_and_says_when_nothing_was_gained(problem):
    given = problem(score=lambda logits, targets: 0.5, loss=lambda logits, targets, smoothing: logits.sum() * 0 + 1)
    found = run(given, dataclasses.replace(SHORT, epochs=9), Regularisation(patience=2))
    assert len(found.history) == 2
    assert found.resolved["best_epoch"] == 0
    assert any("the start, which was kept" in note for note in found.notes)
    assert torch.equal(found.head[1].weight, given.head[1].weight)


def test_an_absurd_rate_goes_back_and_says_so(problem):
    start = run(problem(), dataclasses.replace(SHORT, epochs=8, lr=3e-2))
    given = problem(stages=start.stages, head=start.head)
    wild = Optimisation(optimiser="sgd", lr=1e4, epochs=8, batch_size=16, warmup=0)
    with pytest.raises(DivergenceError, match="lr must be low enough"):
        run(given, wild, Regularisation(clip=0))
    high = dataclasses.replace(wild, lr=5.0)
    found = run(given, high, Regularisation(clip=0, patience=0))
    assert 1 <= found.resolved["returns"] <= 3
    assert found.resolved["lr"] == pytest.approx(5 * 0.3 ** found.resolved["returns"])
    assert any("went back" in note and "lowered the learning rate" in note for note in found.notes)
    score = given.score(found.validation_logits, given.targets[given.validation])
    assert score >= given.score(start.validation_logits, given.targets[given.validation])


def test_a_loss_that_is_not_a_number_ends_the_epoch_at_once(problem):
    given = problem()
    calls = []

    def loss(logits, targets, smoothing):
        calls.append(smoothing)
        value = given.loss(logits, targets, smoothing)
        return value * float("nan") if smoothing else value

    rows = problem(rows=480, loss=loss)
    with pytest.raises(DivergenceError, match="no longer finite"):
        run(rows, dataclasses.replace(SHORT, batch_size=8, epochs=9), Regularisation(label_smoothing=0.1))
    assert sum(1 for smoothing in calls if smoothing) == 4 * 8


def test_budget_ends_training_with_the_best_so_far(problem):
    left = iter([1e9] * 60 + [0.0] * 1000)
    found = run(problem(), dataclasses.replace(SHORT, epochs=500, batch_size=8), seconds_left=lambda: next(left))
    assert 1 <= len(found.history) < 60
    assert any("the budget was spent" in note for note in found.notes)
    assert np.isfinite(found.validation_logits).all()


def test_no_budget_at_all_gives_the_start(problem):
    given = problem()
    found = run(given, dataclasses.replace(SHORT, batch_size=4), seconds_left=lambda: 0.0)
    assert found.resolved["best_epoch"] == 0
    assert torch.equal(found.head[1].weight, given.head[1].weight)


def test_progress_and_epochs_are_told(problem):
    told, records = [], []
    run(problem(), progress=lambda *what: told.append(what), on_epoch=records.append)
    assert told[-1] == ("training", 12, 12)
    assert [done for _, done, _ in told] == list(range(1, 13))
    assert [set(r) for r in records] == [{"epoch", "train_loss", "val_loss", "val_score", "lr", "seconds"}] * 3


def test_bfloat16_and_channels_last_learn_too(problem):
    given = problem()
    numerics = Numerics(precision="bfloat16", layout="channels_last")
    found = run(given, dataclasses.replace(SHORT, epochs=8, lr=3e-2), numerics=numerics)
    assert found.resolved["precision"] == "bfloat16"
    assert found.resolved["layout"] == "channels_last"
    assert found.stages[0][0].weight.is_contiguous()
    assert found.stages[0][0].weight.dtype == torch.float32
    assert given.score(found.validation_logits, given.targets[given.validation]) > 0.7


def test_bytes_are_trained_on_as_they_are(problem):
    given = problem()
    stages = torch.nn.Sequential(torch.nn.Sequential(Centre(), given.stages[0]), *given.stages[1:])

    def read(rows, views):
        return np.clip(given.read(rows, views) * 40 + 128, 0, 255).astype(np.uint8)

    for settings in (Regularisation(), Regularisation(mixup=0, cutmix=1.0)):
        found = run(dataclasses.replace(given, stages=stages, read=read), regularisation=settings)
        assert np.isfinite(found.validation_logits).all()


class Centre(torch.nn.Module):
    def forward(self, inputs):
        return inputs.float() / 40 - 3
