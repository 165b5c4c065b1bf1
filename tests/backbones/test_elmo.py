"""ELMo against a plain NumPy reading of the published layout, text by text, as TensorFlow would compute it."""

import json

import numpy as np
import pytest
import torch

from graft.backbones._nets.elmo import Direction, ElmoSizes, elmo
from graft.backbones._nets.elmo_file import read_elmo
from graft.errors import WeightsError
from graft.preprocess._characters import Characters

h5py = pytest.importorskip("h5py", reason="h5py is not installed")
FILTERS = [[1, 4], [2, 6], [3, 8]]
DIM, WIDE, WIDTH, CELL, LAYERS, HIGHWAYS = 5, 18, 7, 11, 2, 2
CELL_CLIP, STATE_CLIP = 0.3, 0.2
"""So tight that many values meet them."""


def options(**lstm):
    return {
        "lstm": {
            "use_skip_connections": True, "projection_dim": WIDTH, "cell_clip": CELL_CLIP, "proj_clip": STATE_CLIP,
            "dim": CELL, "n_layers": LAYERS, **lstm,
        },
        "char_cnn": {
            "activation": "relu", "filters": FILTERS, "n_highway": HIGHWAYS, "embedding": {"dim": DIM},
            "n_characters": 262, "max_characters_per_token": 50,
        },
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A folder as the published ones are, with random weights."""
    rng = np.random.default_rng(4)
    (tmp_path / "elmo_options.json").write_text(json.dumps(options()))
    with h5py.File(tmp_path / "elmo_weights.hdf5", "w") as file:

        def put(name, *shape):
            file[name] = rng.normal(0, 0.5, shape).astype(np.float32)

        put("char_embed", 261, DIM)
        for index, (width, count) in enumerate(FILTERS):
            put(f"CNN/W_cnn_{index}", 1, width, DIM, count)
            put(f"CNN/b_cnn_{index}", count)
        for index in range(HIGHWAYS):
            for part in ("transform", "carry"):
                put(f"CNN_high_{index}/W_{part}", WIDE, WIDE)
                put(f"CNN_high_{index}/b_{part}", WIDE)
        put("CNN_proj/W_proj", WIDE, WIDTH)
        put("CNN_proj/b_proj", WIDTH)
        for direction in range(2):
            for layer in range(LAYERS):
                cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
                put(f"{cell}/W_0", 2 * WIDTH, 4 * CELL)
                put(f"{cell}/B", 4 * CELL)
                put(f"{cell}/W_P_0", CELL, WIDTH)
    return tmp_path


@pytest.fixture
def arrays(folder):
    found = {}
    with h5py.File(folder / "elmo_weights.hdf5") as file:
        file.visititems(
            lambda name, item: found.update({name: item[()].astype(np.float64)}) if hasattr(item, "shape") else None
        )
    return found


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def word(arrays, text):
    """One word's vector, from its bytes."""
    inside = [256] if text == "<S>" else [257] if text == "</S>" else list(text.encode())[:48]
    ids = [258, *inside, 259]
    letters = arrays["char_embed"][ids + [260] * (50 - len(ids))]
    found = []
    for index, (width, _) in enumerate(FILTERS):
        kernel = arrays[f"CNN/W_cnn_{index}"][0]
        places = [np.einsum("wd,wdn->n", letters[at : at + width], kernel) for at in range(50 - width + 1)]
        found.append(np.maximum(np.max(places, axis=0) + arrays[f"CNN/b_cnn_{index}"], 0))
    x = np.concatenate(found)
    for index in range(HIGHWAYS):
        high = f"CNN_high_{index}"
        carry = sigmoid(x @ arrays[f"{high}/W_carry"] + arrays[f"{high}/b_carry"])
        transform = np.maximum(x @ arrays[f"{high}/W_transform"] + arrays[f"{high}/b_transform"], 0)
        x = carry * transform + (1 - carry) * x
    return x @ arrays["CNN_proj/W_proj"] + arrays["CNN_proj/b_proj"]


def lstm(arrays, direction, layer, inputs):
    """TensorFlow's LSTMCell: gates i, j, f, o; 1 is added to f; cell and projected state are clipped."""
    place = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
    state, cell, states = np.zeros(WIDTH), np.zeros(CELL), []
    clipped = 0
    for x in inputs[::-1] if direction else inputs:
        gates = np.concatenate([x, state]) @ arrays[f"{place}/W_0"] + arrays[f"{place}/B"]
        i, j, f, o = np.split(gates, 4)
        free = sigmoid(f + 1) * cell + sigmoid(i) * np.tanh(j)
        cell = np.clip(free, -CELL_CLIP, CELL_CLIP)
        clipped += (free != cell).sum()
        projected = (sigmoid(o) * np.tanh(cell)) @ arrays[f"{place}/W_P_0"]
        state = np.clip(projected, -STATE_CLIP, STATE_CLIP)
        clipped += (projected != state).sum()
        states.append(state)
    assert clipped > 0
    return np.array(states[::-1] if direction else states)


def representation(arrays, words):
    """The equal mix of all layers for each word, float64 (words, 2 x projection)."""
    x = np.array([word(arrays, one) for one in ["<S>", *words, "</S>"]])
    layers = [np.concatenate([x, x], axis=1)]
    ahead = back = x
    for layer in range(LAYERS):
        new_ahead, new_back = lstm(arrays, 0, layer, ahead), lstm(arrays, 1, layer, back)
        ahead = new_ahead + ahead if layer else new_ahead
        back = new_back + back if layer else new_back
        layers.append(np.concatenate([ahead, back], axis=1))
    return np.mean(layers, axis=0)[1:-1]


def filled(folder):
    tensors, sizes = read_elmo(folder)
    network = elmo(sizes).eval()
    network.load_state_dict(tensors)
    return network


def test_published_weights_give_what_tensorflow_would(folder, arrays):
    network = filled(folder)
    sentences = [["a", "well-known", "Grüße"], ["Only"], ["one", "two", "three", "four", "x" * 70]]
    spec = Characters()
    tokens = 8
    ids = np.full((len(sentences), tokens, 50), -1, np.int32)
    for row, words in enumerate(sentences):
        begin, end = spec.encode("", 2).ids
        ids[row, : len(words) + 2] = [begin, *(spec.row(one) for one in words), end]
    with torch.no_grad():
        stages = dict(network.named_children())
        y = torch.from_numpy(ids)
        for name in ("embed", "layer0", "layer1", "mix"):
            y = stages[name](y)
        pooled = stages["pool"](y)
    assert y.shape == (3, tokens - 2, 2 * WIDTH + 1)
    for row, words in enumerate(sentences):
        wanted = representation(arrays, words)
        np.testing.assert_allclose(y[row, : len(words), :-1].numpy(), wanted, rtol=0, atol=2e-6)
        assert not y[row, len(words) :].any()
        np.testing.assert_allclose(pooled[row].numpy(), wanted.mean(axis=0), rtol=0, atol=2e-6)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_without_clips_a_direction_is_torchs_own_lstm_with_projection():
    sizes = ElmoSizes(projection=6, cell=9, cell_clip=0, projection_clip=0)
    torch.manual_seed(0)
    for backward in (False, True):
        ours = Direction(sizes, backward=backward)
        theirs = torch.nn.LSTM(6, 9, proj_size=6, batch_first=True)
        with torch.no_grad():
            theirs.weight_ih_l0.copy_(ours.input.weight)
            theirs.weight_hh_l0.copy_(ours.state.weight)
            theirs.weight_hr_l0.copy_(ours.project.weight)
            theirs.bias_ih_l0.copy_(ours.state.bias)
            theirs.bias_hh_l0.zero_()
            x = torch.randn(2, 5, 6)
            wanted = theirs(x.flip(1) if backward else x)[0]
            got = ours(x, torch.ones(2, 5, 1))
        torch.testing.assert_close(got, wanted.flip(1) if backward else wanted, rtol=0, atol=1e-6)


def test_what_we_write_is_read_back(folder, tmp_path):
    from safetensors.torch import save_file

    network = filled(folder)
    network.mix.weights.data += torch.arange(3.0)
    (own := tmp_path / "own").mkdir()
    (own / "options.json").write_text(json.dumps(options()))
    save_file(network.state_dict(), own / "weights.safetensors")
    again = filled(own)
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in again.state_dict().items())


def test_the_mix_weighs_layers(folder):
    network = filled(folder)
    mix = network.mix
    x = torch.randn(1, 4, WIDTH * (1 + 2 * LAYERS) + 1)
    x[..., -1] = 1
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([0.0, 1.0, -1.0]))
        mix.gamma.fill_(1.5)
        got = mix(x)[..., :-1]
    shares = np.exp([0.0, 1.0, -1.0]) / np.exp([0.0, 1.0, -1.0]).sum()
    words, first, second = x[..., :7], x[..., 7:21], x[..., 21:35]
    wanted = 1.5 * (shares[0] * torch.cat([words, words], -1) + shares[1] * first + shares[2] * second)
    torch.testing.assert_close(got, wanted[:, 1:-1].float(), rtol=1e-5, atol=1e-6)


def test_sizes_are_those_of_the_published_networks():
    # Counted from the published options: the smallest network of allennlp.org has 13.6 million parameters.
    network = elmo(ElmoSizes())
    lstm_parameters = 4 * (2 * 128 * 4 * 1024 + 4 * 1024 + 1024 * 128)
    assert sum(p.numel() for name, p in network.named_parameters() if name.startswith("layer")) == lstm_parameters
    assert 13.0e6 < sum(p.numel() for p in network.parameters()) < 14.0e6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "elmo_options.json").unlink(), "one file of options. Got 0"),
        (lambda folder: (folder / "elmo_weights.hdf5").unlink(), "one file of weights. Got 0"),
        (lambda folder: (folder / "elmo_options.json").write_text("{"), "options of an ELMo"),
        (lambda folder: (folder / "elmo_options.json").write_text('{"lstm": {}}'), "KeyError: 'char_cnn'"),
        (
            lambda folder: (folder / "elmo_options.json").write_text(
                json.dumps(options(use_skip_connections=False))
            ),
            "use_skip_connections must be true",
        ),
        (
            lambda folder: (folder / "elmo_options.json").write_text(json.dumps(options(dim=CELL + 1))),
            r"W_0 of shape \(14, 48\). Got \(14, 44\)",
        ),
        (
            lambda folder: (folder / "elmo_options.json").write_text(json.dumps(options(n_layers=3))),
            "with RNN_0/RNN/MultiRNNCell/Cell2/LSTMCell/W_0. Got none",
        ),
        (lambda folder: (folder / "elmo_weights.hdf5").write_bytes(b"nonsense"), "an HDF5 file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_clear_sentence(folder, change, words):
    change(folder)
    with pytest.raises(WeightsError, match=words) as caught:
        read_elmo(folder)
    assert "\n" not in str(caught.value)


def test_links_that_lead_out_of_the_file_are_not_followed(folder, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["char_embed"] = np.zeros((261, DIM), np.float32)
    with h5py.File(folder / "elmo_weights.hdf5", "a") as file:
        del file["char_embed"]
        file["char_embed"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/char_embed")
    with pytest.raises(WeightsError, match=r"with char_embed\. Got none"):
        read_elmo(folder)
