"""What every kind of network of transformers promises: its stages are the original, padding changes nothing."""

import copy
import json

import numpy as np
import pytest
import torch

import tiny_transformers
from graft.backbones import load, sha256_of, skeleton, tensors_of, with_tensors
from graft.backbones._transformer_stages import LAYERED, Pool
from graft.backbones.transformers import Transformers

TEXTS = ["Where is my card?", "the transfer has not arrived yet i lost it please help", "why", "card card"]


@pytest.fixture(scope="module", params=tiny_transformers.CONFIGS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    return tiny_transformers.write(tmp_path_factory.mktemp(kind), kind)


@pytest.fixture(scope="module")
def backbone(folder):
    return load(str(folder))


def tokens(backbone, texts=TEXTS):
    preprocess = backbone.preprocess
    return np.stack([preprocess.fit(preprocess.decode(text.encode())) for text in texts])


def original(folder, ids):
    """Run the library alone, from its own loading: last hidden states, padding and pooling left to the caller."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    ids = torch.from_numpy(ids).long()
    padding = model.config.pad_token_id or 0
    with torch.no_grad():
        return model(
            input_ids=torch.where(ids >= 0, ids, padding), attention_mask=(ids >= 0).long()
        ).last_hidden_state.numpy()


def test_every_kind_that_is_cut_is_tested():
    assert set(LAYERED) <= set(tiny_transformers.CONFIGS)


def test_the_stages_give_what_the_library_gives(backbone, folder, kind):
    ids = tokens(backbone)[:, :16]
    with torch.no_grad():
        found = backbone.prefix(backbone.n_stages)(torch.from_numpy(ids)).numpy()
    hidden, real = original(folder, ids), ids >= 0
    if kind in ("gpt2", "llama"):
        wanted = np.stack([row[kept][-1] for row, kept in zip(hidden, real, strict=True)])
    else:
        wanted = np.stack([row[kept].mean(axis=0) for row, kept in zip(hidden, real, strict=True)])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert np.abs(wanted).max() > 0.01


def test_shapes_names_and_cuts(backbone, kind):
    names = [stage.name for stage in backbone.stages]
    assert names[-1] == "pool"
    assert (len(names), names[0]) == ((5, "embed") if kind in LAYERED else (2, "features"))
    assert backbone.stages[-1].shape == (16,)
    ids = torch.from_numpy(tokens(backbone))
    with torch.no_grad():
        whole = backbone.prefix(backbone.n_stages)(ids)
        for cut in range(backbone.n_stages):
            activation = backbone.prefix(cut)(ids)
            assert tuple(activation.shape[1:]) == backbone.shape(cut)
            torch.testing.assert_close(backbone.suffix(cut)(activation), whole)


def test_what_is_behind_the_tokens_changes_nothing(backbone):
    ids = torch.from_numpy(tokens(backbone))
    with torch.no_grad():
        long = backbone.prefix(backbone.n_stages)(ids)
        for row in range(len(ids)):
            short = torch.from_numpy(backbone.preprocess.used(ids[row].numpy()))[None]
            torch.testing.assert_close(backbone.prefix(backbone.n_stages)(short)[0], long[row], rtol=1e-4, atol=1e-5)
        nothing = backbone.prefix(backbone.n_stages)(torch.full((1, 4), -1, dtype=torch.int32))
    assert torch.isfinite(nothing).all()


def test_it_travels_without_its_folder(backbone, folder, kind):
    settings = json.loads(json.dumps(backbone.settings))
    bare = skeleton("gone/elsewhere", "transformers", settings)
    filled = with_tensors(bare, tensors_of(backbone), backbone.weights)
    ids = torch.from_numpy(tokens(backbone))
    with torch.no_grad():
        wanted = backbone.prefix(backbone.n_stages)(ids)
        assert torch.equal(filled.prefix(filled.n_stages)(ids), wanted)
        twin = copy.deepcopy(filled.suffix(1))
        assert torch.equal(twin(backbone.prefix(1)(ids)), wanted)
    assert [(s.name, s.shape) for s in filled.stages] == [(s.name, s.shape) for s in backbone.stages]


def test_every_layer_counts_in_the_hash(backbone):
    modules = copy.deepcopy([stage.module for stage in backbone.stages])
    seen = {sha256_of(modules)}
    for module in modules[:-1]:
        next(iter(module.state_dict().values())).reshape(-1)[0] += 1
        seen.add(sha256_of(modules))
    assert len(seen) == len(modules)


def test_weights_of_a_model_with_heads_fit(kind, folder, tmp_path, backbone):
    from transformers import AutoConfig, AutoModel

    prefix = f"{AutoModel.from_config(AutoConfig.for_model(**tiny_transformers.CONFIGS[kind])).base_model_prefix}."
    other = tiny_transformers.write(tmp_path / kind, kind, prefix=prefix)
    found = load(str(folder), weights=str(other / "model.safetensors"))
    assert found.weights.sha256 == backbone.weights.sha256


@pytest.mark.parametrize("how", ["mean", "first", "max", "last"])
def test_pooling_against_numpy(how):
    rng = np.random.default_rng(0)
    hidden, lengths = rng.normal(size=(3, 5, 4)).astype(np.float32), (5, 2, 1)
    mark = np.array([[place < length for place in range(5)] for length in lengths], np.float32)
    with torch.no_grad():
        found = Pool(how, normalised=False)(torch.from_numpy(np.concatenate([hidden, mark[..., None]], axis=2))).numpy()
    choose = {"mean": lambda x: x.mean(0), "first": lambda x: x[0], "max": lambda x: x.max(0), "last": lambda x: x[-1]}
    wanted = [choose[how](row[:length]) for row, length in zip(hidden, lengths, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        unit = Pool(how, normalised=True)(torch.from_numpy(np.concatenate([hidden, mark[..., None]], axis=2))).numpy()
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-5)


def test_a_name_may_say_how_to_pool(tmp_path):
    folder = tiny_transformers.write(tmp_path / "bert", "bert")
    assert load(f"{folder}@max").stages[-1].module.how == "max"
    assert load(str(folder)).stages[-1].module.how == "mean"
    assert not Transformers().knows(f"{folder}@middle")
