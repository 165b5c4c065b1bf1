"""WaveNet by name: from a file with its sizes inside or beside it, at random only when asked, and refused otherwise."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import sounds
from graft.backbones import load, skeleton, tensors_of, with_tensors
from graft.backbones._nets.wavenet import WavenetSizes, wavenet
from graft.errors import WeightsError
from graft.preprocess.audio import Audio

SIZES = WavenetSizes(levels=64, residual=6, skip=10, layers=4, stacks=2, sample_rate=8000)
TOLD = json.dumps({"graft": "wavenet", **asdict(SIZES)})


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return wavenet(SIZES).eval()


@pytest.fixture(params=["inside", "beside"])
def file(request, network, tmp_path):
    """The file that ``graft pretrain`` is to write."""
    path = tmp_path / "wavenet.safetensors"
    save_file(network.state_dict(), path, {"config": TOLD} if request.param == "inside" else None)
    if request.param == "beside":
        (tmp_path / "config.json").write_text(TOLD)
    return path


def heard(backbone, waves):
    x = np.stack([backbone.preprocess.fit(wave[None]) for wave in waves])
    with torch.no_grad():
        return backbone.prefix(backbone.n_stages)(torch.from_numpy(x))


def test_it_is_the_network_of_the_file(file, network):
    backbone = load("wavenet", weights=str(file))
    assert backbone.weights.source == f"file:{file}"
    assert backbone.settings["receptive_field"] == {"samples": 32, "seconds": 0.004}
    backbone = backbone.given(backbone.preprocess.settled([(3000, 1, 8000)]))
    assert backbone.preprocess.shape == (4000, 2)
    assert [stage.name for stage in backbone.stages] == ["embed", *(f"layer{i}" for i in range(8)), "skips", "pool"]
    assert backbone.stages[0].shape == (4000, 17)
    waves = [sounds.tone(300, 0.5), sounds.tone(900, 0.3)]
    found = heard(backbone, waves)
    with torch.no_grad():
        wanted = torch.cat([network(torch.from_numpy(wave)[None]) for wave in waves])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found[0], found[1])


def test_a_saved_model_needs_no_file(file):
    backbone = load("wavenet", weights=str(file))
    backbone = backbone.given(replace(backbone.preprocess, seconds=0.5, windows=2))
    settings = json.loads(json.dumps(dict(backbone.settings)))
    form = Audio.from_json(json.loads(json.dumps(backbone.preprocess.to_json())))
    bare = skeleton("wavenet", "wavenet", settings).given(form)
    again = with_tensors(bare, tensors_of(backbone))
    x = torch.rand(1, 2, 4000, 2)
    with torch.no_grad():
        assert torch.equal(*(one.prefix(one.n_stages)(x) for one in (backbone, again)))


def test_random_weights_are_those_of_a_seed():
    one, same, other = (load("wavenet", weights="random", seed=seed) for seed in (1, 1, 2))
    assert one.weights.sha256 == same.weights.sha256 != other.weights.sha256
    assert one.settings["receptive_field"] == {"samples": 2048, "seconds": 0.128}


def test_without_a_file_it_says_what_to_give():
    with pytest.raises(WeightsError, match=r"weights of wavenet must be a safetensors file .*--weights FILE"):
        load("wavenet")


@pytest.mark.parametrize(
    "told", [None, "{", "[]", json.dumps({"graft": "elmo"}), TOLD.replace("levels", "level"), TOLD.replace("64", "0")]
)
def test_wrong_sizes_are_refused(told, network, tmp_path):
    save_file(network.state_dict(), tmp_path / "w.safetensors", {"config": told} if told is not None else None)
    with pytest.raises(WeightsError, match=r" must be .*\. Got .*config\.json beside it\.$"):
        load("wavenet", weights=str(tmp_path / "w.safetensors"))


def test_tensors_of_other_sizes_are_listed(network, tmp_path):
    other = json.dumps({"graft": "wavenet", **asdict(replace(SIZES, skip=12))})
    save_file(network.state_dict(), tmp_path / "w.safetensors", {"config": other})
    with pytest.raises(WeightsError, match=r"layer0\.aside\.weight is"):
        load("wavenet", weights=str(tmp_path / "w.safetensors"))
