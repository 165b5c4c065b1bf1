"""AWD-LSTM against torch's own LSTM on texts without padding, and fastai's files of every version."""

import json
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from graft.backbones._nets.awd_lstm import AwdLstmSizes, Dropouts, DroppedLstm, EmbedWords, awd_lstm, locked
from graft.backbones._nets.awd_lstm_file import read_awd_lstm
from graft.errors import WeightsError

WORDS, EMBEDDING, HIDDEN, LAYERS = 25, 6, 10, 3
VOCABULARY = ["xxunk", "xxpad", "xxbos", *(f"w{i}" for i in range(WORDS - 3))]


@pytest.fixture
def modules():
    """Embeddings and layers as torch has them."""
    torch.manual_seed(3)
    sizes = [(EMBEDDING, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, EMBEDDING)]
    return torch.randn(WORDS, EMBEDDING), [torch.nn.LSTM(a, b, batch_first=True) for a, b in sizes]


def state_dict(modules, version):
    """The tensors under the names of fastai's published files."""
    table, layers = modules
    copy = {"0.7": "0.encoder_with_dropout.embed.weight", "1": "0.encoder_dp.emb.weight"}.get(version)
    state = OrderedDict({"0.encoder.weight": table})
    if copy:
        state[copy] = table
    for index, layer in enumerate(layers):
        tensors = {name: tensor.detach() for name, tensor in layer.state_dict().items()}
        recurrent = tensors.pop("weight_hh_l0")
        raw = f"0.rnns.{index}.module.weight_hh_l0_raw" if version == "0.7" else f"0.rnns.{index}.weight_hh_l0_raw"
        state[raw] = recurrent
        if version != "0.7":
            # What dropout left of it in the last step of training.
            state[f"0.rnns.{index}.module.weight_hh_l0"] = recurrent * 0
        state |= {f"0.rnns.{index}.module.{name}": tensor for name, tensor in tensors.items()}
    if version != "encoder":
        state |= {"1.decoder.weight": table, "1.decoder.bias": torch.zeros(WORDS)}
    else:
        state = OrderedDict({name.removeprefix("0."): tensor for name, tensor in state.items()})
    return state


def save(folder, modules, version="1", words=VOCABULARY):
    old = version == "0.7"
    file = folder / ("fwd_wt103.h5" if old else "lstm_fwd.pth")
    torch.save(state_dict(modules, version), file, _use_new_zipfile_serialization=not old)
    (folder / "itos_wt103.pkl").write_bytes(pickle.dumps(words, protocol=2 if old else 4))
    return folder


def reference(modules, ids):
    """One text without padding: every layer in turn, then last, largest and mean side by side."""
    table, layers = modules
    with torch.no_grad():
        x = table[torch.tensor(ids)][None]
        for layer in layers:
            x = layer(x)[0]
    x = x[0].numpy()
    return np.concatenate([x[-1], x.max(axis=0), x.mean(axis=0)])


@pytest.mark.parametrize("version", ["0.7", "1", "2", "encoder"])
def test_every_published_layout_gives_what_torchs_lstm_gives(version, modules, tmp_path):
    tensors, words, sizes = read_awd_lstm(save(tmp_path, modules, version))
    assert words == tuple(VOCABULARY)
    assert sizes == AwdLstmSizes(words=WORDS, embedding=EMBEDDING, hidden=HIDDEN, layers=LAYERS, padding=1)
    network = awd_lstm(sizes).eval()
    network.load_state_dict(tensors)
    texts = [[2, 5, 7, 20, 3], [4], [2, 2, 9]]
    ids = torch.full((3, 7), -1, dtype=torch.int32)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text)
    with torch.no_grad():
        got = network(ids).numpy()
    for row, text in enumerate(texts):
        np.testing.assert_allclose(got[row], reference(modules, text), rtol=0, atol=1e-6)


def test_what_we_write_is_read_back(modules, tmp_path):
    from safetensors.torch import save_file

    tensors, _, sizes = read_awd_lstm(save(tmp_path, modules))
    (own := tmp_path / "own").mkdir()
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, own / "weights.safetensors")
    (own / "vocab.json").write_text(json.dumps(VOCABULARY))
    again, words, same = read_awd_lstm(own)
    assert (words, same) == (tuple(VOCABULARY), sizes)
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())


class Harm:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f, m: (f / "itos_wt103.pkl").unlink(), "one vocabulary beside it .*Got none"),
        (lambda f, m: (f / "vocab.txt").write_text("a\n"), "Got itos_wt103.pkl, vocab.txt"),
        (lambda f, m: (f / "itos_wt103.pkl").write_bytes(pickle.dumps(VOCABULARY[:-1])), "25 words. Got one of 24"),
        (lambda f, m: (f / "itos_wt103.pkl").write_bytes(pickle.dumps(["a"] * WORDS)), "a word for padding"),
        (lambda f, m: (f / "more.pth").write_bytes(b""), "a folder with 2"),
        (lambda f, m: (f / "lstm_fwd.pth").unlink(), "a folder with 0"),
        (lambda f, m: (f / "lstm_fwd.pth").rename(f / "lstm_bwd.pth"), "reads forwards. Got the one that reads"),
        (lambda f, m: torch.save({"0.encoder.weight": m[0], "0.x": m[0]}, f / "lstm_fwd.pth"), "such as '0.x'"),
        (lambda f, m: torch.save({"0.encoder.weight": m[0]}, f / "lstm_fwd.pth"), "0 recurrent matrices"),
        (lambda f, m: torch.save({"1.decoder.bias": m[0]}, f / "lstm_fwd.pth"), "no encoder.weight"),
        (
            lambda f, m: torch.save(
                {**state_dict(m, "1"), "0.rnns.0.module.weight_ih_l0_reverse": m[0]}, f / "lstm_fwd.pth"
            ),
            "in one direction. Got tensors such as",
        ),
        (lambda f, m: torch.save({"0.encoder.weight": Harm()}, f / "lstm_fwd.pth"), "a file of tensors"),
    ],
)
def test_what_does_not_fit_is_one_clear_sentence(spoil, words, modules, tmp_path, capsys):
    save(tmp_path, modules)
    spoil(tmp_path, modules)
    with pytest.raises(WeightsError, match=words) as caught:
        read_awd_lstm(tmp_path)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_dropouts_work_in_training_only_and_drop_what_they_say():
    torch.manual_seed(0)
    x = torch.ones(4, 6, 500)
    assert locked(x, 0.5, training=False) is x
    dropped = locked(x, 0.4, training=True)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped)), "the same channels at every token"
    assert not torch.equal(dropped[0], dropped[1]), "other channels in every text"
    assert (dropped == 0).float().mean().item() == pytest.approx(0.4, abs=0.05)
    assert dropped.max().item() == pytest.approx(1 / 0.6)

    sizes = AwdLstmSizes(words=2000, embedding=4)
    embed = EmbedWords(sizes, Dropouts(embedding=0.3, input=0.0)).train()
    ids = torch.arange(2000).reshape(4, 500)
    rows = embed(torch.cat([ids, ids]))[..., :-1]
    assert torch.equal(rows[:4], rows[4:]), "a dropped word is dropped throughout the batch"
    gone = (rows[:4] == 0).all(dim=-1)
    assert gone.float().mean().item() == pytest.approx(0.3, abs=0.05)
    torch.testing.assert_close(rows[:4][~gone] * 0.7, embed.weight[ids][~gone])


def test_the_recurrent_weights_are_dropped_and_learn():
    torch.manual_seed(0)
    layer = DroppedLstm(5, 8, weight_dropout=0.5, dropout=0.0)
    x = torch.cat([torch.randn(2, 6, 5), torch.ones(2, 6, 1)], dim=-1)
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    still = layer.eval()(x)
    assert torch.equal(still, layer(x))
    layer.train()
    assert not torch.equal(layer(x), layer(x))
    # The first output depends on no recurrent weight: nothing else is dropped.
    torch.testing.assert_close(layer(x)[:, 0], still[:, 0])
    layer(x).square().sum().backward()
    assert (layer.weight_hh_l0.grad == 0).float().mean().item() == pytest.approx(0.5, abs=0.15)
    assert all(torch.equal(tensor, before[name]) for name, tensor in layer.state_dict().items())


def test_padding_and_the_mask_are_never_dropped():
    torch.manual_seed(0)
    heavy = Dropouts(embedding=0.5, input=0.5, weight=0.5, hidden=0.5, output=0.5)
    network = awd_lstm(AwdLstmSizes(words=WORDS, embedding=6, hidden=8), heavy).train()
    y = torch.tensor([[3, 4, 5, -1, -1]])
    for name, stage in network.named_children():
        y = stage(y)
        if name != "pool":
            assert y[0, :, -1].tolist() == [1, 1, 1, 0, 0]
            assert not y[0, 3:].any()
