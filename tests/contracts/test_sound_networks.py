"""What every kind of network of sound promises: its stages are the original, padding is told, it needs no folder."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import quick_fit
import sounds
import tiny_sound
from graft.backbones import load, sha256_of, skeleton, tensors_of, with_tensors
from graft.backbones._catalog import entries
from graft.backbones._sound_stages import KINDS
from graft.backbones.sound import Sound
from graft.errors import GraftError, SettingError, WeightsError
from graft.preprocess.audio import Audio

RATE = 16_000


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with quick_fit.one_thread():
        yield


@pytest.fixture(scope="module", params=tiny_sound.CONFIGS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def folder(name, tmp_path_factory):
    return tiny_sound.write(tmp_path_factory.mktemp(name), name)


@pytest.fixture(scope="module")
def backbone(folder):
    """The network behind windows of half a second, or of the length that its spectrogram has."""
    loaded = load(str(folder))
    return loaded.given(loaded.preprocess.settled([(RATE // 2, 1, RATE)]))


def waves():
    """One that fills a window of half a second, and two shorter ones."""
    return [sounds.tone(hertz, seconds, RATE) for hertz, seconds in ((300, 0.5), (500, 0.31), (900, 0.07))]


@pytest.fixture(scope="module")
def inputs(backbone):
    return torch.from_numpy(np.stack([backbone.preprocess.fit(wave[None]) for wave in waves()]))


def original(name, inputs):
    """Run the library alone: hidden states (n, frames, C), and which of them are of sound."""
    network, mark = tiny_sound.model(name), inputs[..., -1]
    with torch.no_grad():
        if name == "ast":
            return network(inputs[..., :-1]).pooler_output, None
        if name == "whisper":
            hidden = network.encoder(inputs[..., :-1].transpose(1, 2)).last_hidden_state
            return hidden, mark[:, ::2] > 0
        masked = network.config.feat_extract_norm == "layer"
        hidden = network(inputs[..., 0], attention_mask=mark.long() if masked else None).last_hidden_state
        return hidden, network._get_feature_vector_attention_mask(hidden.shape[1], mark.long())


def whole(backbone, inputs):
    with torch.no_grad():
        return backbone.prefix(backbone.n_stages)(inputs)


def test_every_kind_is_tested():
    assert set(KINDS) == {kind for kind, _ in tiny_sound.CONFIGS.values()}


def test_the_stages_are_the_original_to_the_last_bit(name, backbone, inputs):
    *_, last, pool = backbone.stages
    with torch.no_grad():
        frames = backbone.prefix(backbone.n_stages - 1)(inputs)
        vectors = pool.module(frames)
    wanted, heard = original(name, inputs)
    if heard is None:
        assert (vectors - wanted).abs().max().item() == 0
    else:
        assert torch.equal(frames[..., -1] > 0, heard)
        assert (frames[..., :-1] - wanted).abs().max().item() == 0
        means = [row[kept].mean(0) for row, kept in zip(wanted, heard, strict=True)]
        torch.testing.assert_close(vectors, torch.stack(means), rtol=1e-5, atol=1e-6)
        assert 0 < int(heard[2].sum()) < int(heard[0].sum()) <= frames.shape[1]
    assert wanted.std() > 0.01
    assert last.shape == tuple(frames.shape[1:])


def test_names_shapes_and_cuts(name, backbone, inputs):
    begin = ["features", "embed"] if name[:4] in ("wav2", "hube") else ["embed"]
    names = [stage.name for stage in backbone.stages]
    assert names[: len(begin)] == begin
    assert names[-1] == "pool"
    assert len(names) == len(begin) + 4
    vectors = whole(backbone, inputs)
    with torch.no_grad():
        for cut in range(backbone.n_stages):
            activation = backbone.prefix(cut)(inputs)
            assert tuple(activation.shape[1:]) == backbone.shape(cut)
            assert torch.equal(backbone.suffix(cut)(activation), vectors)
    assert backbone.stages[-1].shape == (16,)
    assert len(backbone.ending_in("tokens").stages[-1].shape) == 2


def test_it_travels_without_its_folder(backbone, inputs):
    settings = json.loads(json.dumps(backbone.settings))
    form = Audio.from_json(json.loads(json.dumps(backbone.preprocess.to_json())))
    bare = skeleton("gone/elsewhere", "sound", settings).given(form)
    filled = with_tensors(bare, tensors_of(backbone), backbone.weights)
    assert form == backbone.preprocess
    assert torch.equal(whole(filled, inputs), whole(backbone, inputs))
    assert [(s.name, s.shape) for s in filled.stages] == [(s.name, s.shape) for s in backbone.stages]
    twin = copy.deepcopy(filled.suffix(1))
    with torch.no_grad():
        assert torch.equal(twin(backbone.prefix(1)(inputs)), whole(backbone, inputs))


def test_every_tensor_counts_in_the_hash(backbone):
    twins = copy.deepcopy([stage.module for stage in backbone.stages])
    seen = {sha256_of(twins)}
    states = [module.state_dict() for module in twins]
    for state in states:
        for tensor in state.values():
            tensor.reshape(-1)[0] += 1
            seen.add(sha256_of(twins))
    assert len(seen) == sum(map(len, states)) + 1


def test_what_is_after_a_cut_learns(backbone, inputs):
    for cut in (0, backbone.n_stages - 2):
        with torch.no_grad():
            activation = backbone.prefix(cut)(inputs)
        suffix = copy.deepcopy(backbone.suffix(cut)).requires_grad_(True).train()
        suffix(activation).square().sum().backward()
        gradients = [p.grad for p in suffix.parameters() if p.grad is not None]
        assert gradients
        assert all(one.isfinite().all() for one in gradients)
        assert any(one.abs().sum() > 0 for one in gradients)


def test_several_windows_are_their_mean(backbone, inputs):
    several = backbone.given(replace(backbone.preprocess, windows=3))
    assert several.preprocess.shape == (3, *backbone.preprocess.shape)
    torch.testing.assert_close(whole(several, inputs[None])[0], whole(backbone, inputs).mean(0))


def test_a_name_with_weights_beside_it(name, folder, backbone, tmp_path):
    kind = tiny_sound.CONFIGS[name][0]
    listed = next(key for key, entry in entries().items() if entry.get("config", {}).get("model_type") == kind)
    for path in (folder, folder / "model.safetensors"):
        found = load(listed, weights=str(path))
        assert (found.weights.sha256, found.weights.source) == (backbone.weights.sha256, f"file:{path}")
        assert found.preprocess == load(str(folder)).preprocess
    other = tiny_sound.write(tmp_path / "head", name, head=True)
    assert load(str(other)).weights.sha256 == backbone.weights.sha256
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(WeightsError, match=r"the \d+ tensors of this network"):
        load("whisper-tiny", weights=str(tmp_path / "alone" / "model.safetensors"))
    with pytest.raises(WeightsError, match=r"config\.json"):
        load(listed, weights=str(tmp_path / "alone"))


def test_a_name_may_say_how_to_pool(name, folder, backbone, inputs):
    found = load(f"{folder}@max")
    found = found.given(backbone.preprocess)
    frames = whole(replace(found, stages=found.stages[:-1]), inputs)
    wanted = [row[row[:, -1] > 0, :-1].max(0)[0] for row in frames]
    torch.testing.assert_close(whole(found, inputs), torch.stack(wanted))
    assert not Sound().knows(f"{folder}@middle")


LISTED = [key for key, entry in entries().items() if entry["family"] == "sound"]


@pytest.mark.parametrize("listed", LISTED)
def test_the_catalogue_says_what_is_true(listed):
    entry = entries()[listed]
    with torch.device("meta"):
        network = Sound().build(listed)
    assert sum(p.numel() for p in network.model.parameters()) == entry["parameters"]
    pieces, _ = Sound().cut(network)
    assert pieces[-1].shape == (entry["features"],)
    sound = network.preprocess
    assert entry["input_size"] == [sound.rate if entry["unit"] == "Hz" else sound.shape[0]]
    assert network.licence == entry["licence"]


@pytest.mark.parametrize("listed", ["wav2vec2-base", "openai/whisper-medium"])
def test_offline_the_file_to_fetch_is_named(listed, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"Go online once, or fetch http.*/resolve/main/\S+ elsewhere .*--weights"):
        load(listed)


def test_what_is_no_network_of_sound_is_refused(tmp_path, folder):
    assert not Sound().knows("facebook/bart-base")
    assert Sound().knows("facebook/wav2vec2-large-960h-lv60-self")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert not Sound().knows(str(tmp_path))
    with pytest.raises(GraftError, match="must be"):
        load("wav2vec2-base", weights=str(tmp_path))
    adapted = {"model_type": "wav2vec2", "add_adapter": True}
    (tmp_path / "config.json").write_text(json.dumps(adapted))
    with pytest.raises(SettingError, match="without an adapter"):
        load(str(tmp_path))
