"""The network that ran last is ready for the next one who wants it, while a work goes on, and for nobody afterwards."""

import numpy as np
import pytest
import torch
from torch import nn

from graft import runtimes
from graft.runtimes import _lent, openvino


@pytest.fixture
def choosing(tmp_path, monkeypatch):
    """Return what makes a network ready, and the list of those that were compiled or read."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    made = []
    compile_ = openvino.Openvino.compile
    monkeypatch.setattr(
        openvino.Openvino, "compile", lambda self, *a, **k: made.append(compile_(self, *a, **k)) or made[-1]
    )

    def choose(side=16, folder="a"):
        sample = np.random.default_rng(0).random((8, 3, side, side)).astype(np.float32)
        ready, _ = runtimes.choose(module, sample, expected=10, runtime="openvino:float32", cache=tmp_path / folder)
        return ready, ready(sample)

    return choose, made


def test_a_second_use_in_a_work_finds_it_ready(choosing):
    choose, made = choosing
    with runtimes.keeping_ready():
        first, values = choose()
        first.close()
        second, again = choose()
        assert len(made) == 1
        assert np.array_equal(values, again)
        third, _ = choose()
        # The one that is in use is nobody else's.
        assert len(made) == 2
        second.close()
        third.close()
    assert not _lent._ready
    choose()[0].close()
    assert len(made) == 3


def test_another_network_or_shape_takes_its_place(choosing):
    choose, made = choosing
    with runtimes.keeping_ready():
        choose()[0].close()
        choose(side=20)[0].close()
        choose(side=20, folder="b")[0].close()
        assert len(made) == 3
        assert len(_lent._ready) == 1
        choose(side=20, folder="b")[0].close()
        assert len(made) == 3


def test_outside_a_work_nothing_is_kept_and_what_was_given_back_is_not_run(choosing):
    choose, _ = choosing
    ready, _ = choose()
    ready.close()
    ready.close()
    assert not _lent._ready
    with pytest.raises(ValueError, match="given back"):
        ready(np.zeros((1, 3, 16, 16), np.float32))
