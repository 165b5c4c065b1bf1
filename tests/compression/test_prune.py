"""Pruning: channels are ranked by what the answers lose without them, and bad settings are told in one sentence."""

import numpy as np
import pytest

import quick_fit
from graft import api
from graft.compression.prune import Prune
from graft.contract import speed
from graft.errors import SettingError
from graft.serving import load

pytest.importorskip("torch_pruning")


def embedded(probe, folder, by):
    """Return the features of a model without a share of its channels, not brought back by training."""
    with quick_fit.one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "SECONDS", 0.01)
        patch.setenv("GRAFT_CACHE", str(folder / "cache"))
        settings = {"by": by, "epochs": 1, "lr": 1e-9}
        made = api.compress(probe.folder, method="prune", out=folder / "smaller", force=True, settings=settings)
    step = made.model.manifest["steps"][-1]
    return made.model.embed(sorted(probe.photos.rglob("*.*"))), step["made"]["parameters"]


def test_slopes_rank_channels_better_than_their_weights_do(probe, tmp_path):
    whole = load(probe.folder).embed(sorted(probe.photos.rglob("*.*")))
    by_slopes, left = embedded(probe, tmp_path / "taylor", "taylor")
    by_weights, _ = embedded(probe, tmp_path / "magnitude", "magnitude")
    assert left["after"] < 0.9 * left["before"]
    assert np.square(by_slopes - whole).mean() < 0.5 * np.square(by_weights - whole).mean()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"by": "size"}, "prune: by must be taylor or magnitude"),
        ({"inputs": 0}, "prune: inputs must be at least 1"),
        ({"epochs": 0}, "prune: epochs must be at least 1"),
        ({"share": 1.0}, "prune: share must be above 0 and below 1"),
    ],
)
def test_settings_that_cannot_be(settings, sentence):
    with pytest.raises(SettingError, match=sentence):
        Prune(**settings)
