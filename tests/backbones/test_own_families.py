"""Word vectors, AWD-LSTM and ELMo by name: loaded from files, rebuilt from a saved model's settings, and refused."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from graft.backbones import load, skeleton, tensors_of, with_tensors
from graft.backbones._nets.awd_lstm import AwdLstmSizes, awd_lstm
from graft.errors import UnknownNameError, WeightsError
from graft.preprocess.text import Text

GLOVE = Path(__file__).parents[3] / "shared/data/glove_small/glove.6B.50d.first5000.txt"
VOCABULARY = ["xxunk", "xxpad", "xxbos", "xxmaj", "where", "is", "my", "card", "?", "lost"]
TEXTS = ["Where is my card?", "lost lost zebra"]


def vectors(folder):
    rng = np.random.default_rng(0)
    lines = [f"{word} {' '.join(map(str, rng.normal(size=6).round(3)))}" for word in VOCABULARY[4:]]
    (path := folder / "vectors.txt").write_text("\n".join(lines) + "\n")
    return path


def fastai(folder):
    torch.manual_seed(0)
    network = awd_lstm(AwdLstmSizes(words=len(VOCABULARY), embedding=6, hidden=8))
    torch.save(network.state_dict(), folder / "weights.pth")
    (folder / "itos.pkl").write_bytes(pickle.dumps(VOCABULARY))
    return folder


FILES = {"word2vec": vectors, "word2vec_sif": vectors, "awd_lstm": fastai}


@pytest.fixture(params=FILES)
def loaded(request, tmp_path):
    path = FILES[request.param](tmp_path)
    return load(request.param, weights=str(path)), path


def features(backbone, texts=TEXTS):
    ids = np.stack([backbone.preprocess.fit(backbone.preprocess.decode(text.encode())) for text in texts])
    with torch.no_grad():
        return backbone.prefix(backbone.n_stages)(torch.from_numpy(ids)).numpy()


def test_they_are_loaded_from_files_and_give_vectors(loaded):
    backbone, path = loaded
    assert backbone.weights.source == f"file:{path}"
    assert backbone.preprocess.modality == "text"
    found = features(backbone)
    assert found.shape == (2, *backbone.stages[-1].shape)
    assert np.isfinite(found).all()
    assert np.abs(found[0] - found[1]).max() > 1e-3
    assert not any(p.requires_grad for stage in backbone.stages for p in stage.module.parameters())


def test_a_saved_model_needs_no_file_to_build_them_again(loaded):
    backbone, path = loaded
    settings = json.loads(json.dumps(dict(backbone.settings)))
    specification = Text.from_json(json.loads(json.dumps(backbone.preprocess.to_json())))
    for file in path.parent.iterdir() if path.is_file() else path.iterdir():
        file.unlink()
    again = with_tensors(skeleton(backbone.name, backbone.family, settings), tensors_of(backbone))
    assert specification == backbone.preprocess
    assert again.weights.sha256 == backbone.weights.sha256
    assert [(s.name, s.shape) for s in again.stages] == [(s.name, s.shape) for s in backbone.stages]
    np.testing.assert_array_equal(features(backbone), features(replace(again, preprocess=specification)))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("weights", ["auto", "random"])
def test_without_a_file_they_say_what_to_give(name, weights):
    with pytest.raises(WeightsError, match=r"must be a f(ile|older) .*\. Got none\. Give the path by --weights FILE\."):
        load(name, weights=weights)


def test_elmo_has_no_weights_of_its_own_either():
    with pytest.raises(WeightsError, match=r"weights of elmo must be a folder .*--weights FILE\."):
        load("elmo")


def test_the_mean_of_words_is_that_of_the_file(tmp_path):
    backbone = load("word2vec", weights=str(vectors(tmp_path)))
    rows = {line.split()[0]: line.split()[1:] for line in (tmp_path / "vectors.txt").read_text().splitlines()}
    table = {word: np.array(row, np.float32) for word, row in rows.items()}
    wanted = np.mean([table[word] for word in ("where", "is", "my", "card", "?")], axis=0)
    np.testing.assert_allclose(features(backbone)[0], wanted, atol=1e-6)
    np.testing.assert_allclose(features(backbone)[1], table["lost"], atol=1e-6)
    assert not features(backbone, ["zebra quagga"]).any()


def test_chinese_vectors_have_chinese_text_cut_into_words(tmp_path):
    pytest.importorskip("jieba", reason="jieba is not installed")
    (path := tmp_path / "v.txt").write_text("银行卡 1 0\n哪里 0 1\n的 0.5 0.5\n")
    assert features(load("word2vec", weights=str(path)), ["银行卡在哪里"]).tolist() == [[0.5, 0.5]]


def test_elmo_is_loaded_from_its_published_form(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    options = {
        "lstm": {"use_skip_connections": True, "projection_dim": 4, "cell_clip": 3, "proj_clip": 3, "dim": 6,
                 "n_layers": 2},
        "char_cnn": {"activation": "relu", "filters": [[1, 3], [2, 4]], "n_highway": 1, "embedding": {"dim": 3},
                     "max_characters_per_token": 50},
    }  # fmt: skip
    (tmp_path / "options.json").write_text(json.dumps(options))
    shapes = {"char_embed": (261, 3), "CNN/W_cnn_0": (1, 1, 3, 3), "CNN/b_cnn_0": (3,), "CNN/W_cnn_1": (1, 2, 3, 4)}
    shapes |= {"CNN/b_cnn_1": (4,), "CNN_proj/W_proj": (7, 4), "CNN_proj/b_proj": (4,)}
    shapes |= {f"CNN_high_0/{kind}_{part}": (7, 7) if kind == "W" else (7,)
               for kind in "Wb" for part in ("transform", "carry")}  # fmt: skip
    for place in (f"RNN_{way}/RNN/MultiRNNCell/Cell{layer}/LSTMCell/" for way in (0, 1) for layer in (0, 1)):
        shapes |= {f"{place}W_0": (8, 24), f"{place}B": (24,), f"{place}W_P_0": (6, 4)}
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "weights.hdf5", "w") as file:
        for name, shape in shapes.items():
            file[name] = rng.normal(size=shape).astype(np.float32)
    backbone = load("elmo", weights=str(tmp_path))
    assert backbone.preprocess.shape == (256, 50)
    assert [stage.name for stage in backbone.stages] == ["embed", "layer0", "layer1", "mix", "pool"]
    assert [stage.shape for stage in backbone.stages] == [(256, 5), (256, 13), (256, 21), (254, 9), (8,)]
    found = features(backbone)
    assert np.isfinite(found).all()
    assert np.abs(found[0] - found[1]).max() > 1e-3
    settings = json.loads(json.dumps(dict(backbone.settings)))
    again = with_tensors(skeleton("elmo", "elmo", settings), tensors_of(backbone))
    np.testing.assert_array_equal(found, features(again))
    assert again.preprocess == backbone.preprocess


def test_a_name_that_is_near_is_suggested():
    with pytest.raises(UnknownNameError, match="'word2vec"):
        load("word2vek", weights="vectors.txt")


@pytest.mark.real_data
@pytest.mark.skipif(not GLOVE.is_file(), reason="the GloVe vectors of ../shared/data are not here")
@pytest.mark.parametrize("name", ["word2vec", "word2vec_sif"])
def test_published_vectors_put_alike_texts_near(name):
    backbone = load(name, weights=str(GLOVE))
    texts = ["cooking bread and soup", "ingredients of vegetables", "a ferry at the dock", "freight in the harbour"]
    found = features(backbone, texts)
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert alike[0, 1] > alike[0, 2:].max()
    assert alike[2, 3] > alike[2:, :2].max()
