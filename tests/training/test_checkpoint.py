"""Exact resume: killed at any epoch and started again, training gives the bits it would have given."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from graft.training import Conditions, Numerics, Optimisation, Regularisation, checkpoint, train

SETTINGS = (
    Optimisation(lr=1e-2, epochs=5, batch_size=16),
    Regularisation(mixup=0.3, cutmix=1.0, patience=0),
    Numerics(precision="float32", layout="channels_last"),
)


class KilledError(Exception):
    pass


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """Write after every epoch, however little time has passed."""
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)


def run(given, settings=SETTINGS, **conditions):
    return train(given, *settings, Conditions(**conditions))


def killer(epoch):
    def on_epoch(record):
        if record["epoch"] == epoch:
            raise KilledError

    return on_epoch


def assert_same_bits(one, other):
    for a, b in ((one.stages, other.stages), (one.head, other.head)):
        assert a.state_dict().keys() == b.state_dict().keys()
        assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())
    assert np.array_equal(one.validation_logits, other.validation_logits)
    # repr, since the NaN of a diverged epoch equals nothing.
    assert repr([{**r, "seconds": 0} for r in one.history]) == repr([{**r, "seconds": 0} for r in other.history])
    assert one.resolved == other.resolved


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd", "adagrad"])
def test_resumed_is_uninterrupted_to_the_bit(problem, tmp_path, optimiser):
    settings = (Optimisation(lr=1e-2, epochs=4, batch_size=16, optimiser=optimiser), *SETTINGS[1:])
    whole = run(problem(), settings, seed=7)
    for epoch in (1, 3):
        with pytest.raises(KilledError):
            run(problem(), settings, seed=7, checkpoint=tmp_path, on_epoch=killer(epoch))
    resumed = run(problem(), settings, seed=7, checkpoint=tmp_path)
    assert_same_bits(whole, resumed)
    assert any("taken up again after epoch 3" in note for note in resumed.notes)


def test_resumed_after_a_return_is_uninterrupted_to_the_bit(problem, tmp_path):
    start = run(problem(), (Optimisation(lr=3e-2, epochs=8, batch_size=16), *SETTINGS[1:]))
    given = problem(stages=start.stages, head=start.head)
    wild = (
        Optimisation(optimiser="sgd", lr=5.0, epochs=6, batch_size=16, warmup=0),
        Regularisation(clip=0, patience=0),
        SETTINGS[2],
    )
    whole = run(given, wild)
    assert whole.resolved["returns"] >= 1
    with pytest.raises(KilledError):
        run(given, wild, checkpoint=tmp_path, on_epoch=killer(2))
    resumed = run(given, wild, checkpoint=tmp_path)
    assert_same_bits(whole, resumed)
    assert set(whole.notes) < set(resumed.notes)


def test_a_finished_run_is_not_trained_again(problem, tmp_path):
    whole = run(problem(), checkpoint=tmp_path)
    records = []
    again = run(problem(), checkpoint=tmp_path, on_epoch=records.append)
    assert [one["seconds"] for one in records] == [one["seconds"] for one in whole.history], "told again, not trained"
    assert_same_bits(whole, again)


def test_a_checkpoint_of_another_run_is_not_used(problem, tmp_path):
    whole = run(problem(), seed=2)
    run(problem(), seed=1, checkpoint=tmp_path)
    other = run(problem(), seed=2, checkpoint=tmp_path)
    assert_same_bits(whole, other)
    assert any("belongs to another fit" in note for note in other.notes)


@pytest.mark.parametrize("damage", ["tensors", "json", "gone"])
def test_a_damaged_checkpoint_is_not_used(problem, tmp_path, damage):
    whole = run(problem())
    run(problem(), checkpoint=tmp_path)
    (tensors,) = tmp_path.glob("*.safetensors")
    if damage == "tensors":
        content = bytearray(tensors.read_bytes())
        content[-1] ^= 1
        tensors.write_bytes(content)
    elif damage == "json":
        (tmp_path / "checkpoint.json").write_text("{")
    else:
        tensors.unlink()
    again = run(problem(), checkpoint=tmp_path)
    assert_same_bits(whole, again)
    assert any("A checkpoint was not used" in note for note in again.notes)


def test_only_the_last_state_is_kept_and_it_is_plain_data(problem, tmp_path):
    run(problem(), checkpoint=tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 2
    data = json.loads((tmp_path / "checkpoint.json").read_text())
    assert data["tensors"] in names
    assert data["data"]["epoch"] == 5


def test_writing_is_left_out_where_it_would_take_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", 1e-9)
    store = checkpoint.Checkpoint(tmp_path, "print")
    store.save({"model.a": torch.zeros(1)}, {"epoch": 1})
    store.save({"model.a": torch.ones(1)}, {"epoch": 2})
    assert store.load().data["epoch"] == 1
    store.save({"model.a": torch.ones(1)}, {"epoch": 3}, force=True)
    assert store.load().data["epoch"] == 3


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {folder!r})
import torch
from pathlib import Path
from conftest import make_problem
from graft.training import Conditions, checkpoint, train
from test_checkpoint import SETTINGS

torch.set_num_threads(1)
checkpoint.SHARE = 1e9
steps = [0]

def progress(what, done, total):
    steps[0] += 1
    if steps[0] == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

train(make_problem(), *SETTINGS, Conditions(seed=7, checkpoint=Path(sys.argv[1]), progress=progress))
"""


def test_sigkill_within_an_epoch(problem, tmp_path):
    whole = run(problem(), seed=7)
    script = textwrap.dedent(SCRIPT).format(folder=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path), "10"], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    resumed = run(problem(), seed=7, checkpoint=tmp_path)
    assert any("taken up again after epoch 2" in note for note in resumed.notes)
    assert_same_bits(whole, resumed)


def test_epochs_before_a_kill_are_told_again(problem, tmp_path):
    seen = []
    with pytest.raises(KilledError):
        run(problem(), checkpoint=tmp_path, on_epoch=killer(2))
    whole = run(problem(), checkpoint=tmp_path, on_epoch=lambda record: seen.append(record["epoch"]))
    assert seen == [one["epoch"] for one in whole.history]
