"""A model of texts in 8 bits: compressed, asked, exported and served by the same answers as any other model."""

import numpy as np
import pytest

import quick_fit
import tiny_transformers
from graft import api
from graft.contract import speed
from graft.exporters._network import network
from graft.runtimes import opened
from graft.serving import load

WORDS = {"card": "where is my card", "transfer": "the transfer failed", "help": "please help me"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with a fitted model of texts, and its compressed form."""
    folder = tmp_path_factory.mktemp("small")
    tiny_transformers.write(folder / "bert", "bert")
    draw = np.random.default_rng(0)
    rows = [
        f"{text} {' '.join(draw.choice(tiny_transformers.WORDS, draw.integers(1, 9)))} {number},{label}"
        for label, text in WORDS.items()
        for number in range(14)
    ]
    (folder / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    with quick_fit.one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(folder / "cache"))
        patch.setattr(speed, "SECONDS", 0.01)
        words = ("--backbone", folder / "bert", "--strategy", "linear_probe", "--runtime", "torch:float32")
        assert quick_fit.run_graft("fit", folder / "texts.csv", "--out", folder / "model", *words, "--json").code == 0
        words = ("--method", "int8", "--out", folder / "small", "--force", "--set", "tolerance=1000", "--json")
        told = quick_fit.run_graft("compress", folder / "model", *words).json
    assert (told["made"]["form"], told["made"]["calibrated_on"]) == ("dynamic", 0)
    assert told["contract"]["after"]["bytes"] > 0
    return folder


def test_its_answers_are_near_those_of_the_float_model(home):
    before, after = load(home / "model"), load(home / "small")
    found = [one.predict_proba(list(WORDS.values())) for one in (before, after)]
    assert 0 < np.abs(found[0] - found[1]).max() < 0.05
    assert np.array_equal(found[1], load(home / "small").predict_proba(list(WORDS.values())))


def test_layers_and_embeddings_are_held_in_8_bits(home):
    import onnx

    file = onnx.load(str(home / "small" / "network.onnx"))
    kinds = [one.op_type for one in file.graph.node]
    # Three layers: four products of attention, and two behind it.
    assert kinds.count("MatMulNBits") == 18
    largest = max(file.graph.initializer, key=lambda one: np.prod(one.dims))
    assert largest.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


def test_an_answer_does_not_hang_on_its_neighbours(home):
    content = load(home / "small").assembled.network
    ids = np.full((3, 9), -1, np.int32)
    for row, length in enumerate((4, 9, 6)):
        ids[row, :length] = np.random.default_rng(row).integers(3, 25, length)
    ready, _ = opened(content, (9,), batch=3, axes=1, runtime="onnxruntime")
    together = ready(ids)
    alone = np.concatenate(
        [ready.session.run(None, {ready.input: ids[row : row + 1, : (4, 9, 6)[row]]})[0] for row in range(3)]
    )
    ready.close()
    assert together == pytest.approx(alone, abs=1e-5)


def test_every_command_takes_it(home, graft, tmp_path):
    assert graft("evaluate", home / "small", home / "texts.csv", "--json").json["test"]["accuracy"]["n"] == 42
    exported = graft("export", home / "small", "--out", tmp_path / "small.onnx", "--json").json
    assert exported["parity"]["logits"] < 1e-4
    assert api.show(home / "small")["network"] == {"bits": 8, "form": "dynamic"}
    assert network(load(home / "small").assembled).open_axes == 1


def test_layers_can_be_left_in_float_and_are_listed(home, graft, tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "SECONDS", 0.01)
    words = ("--method", "int8", "--out", tmp_path / "some", "--force", "--set", "tolerance=1000", "--json")
    made = graft("compress", home / "model", *words, "--set", "float_layers=2", "--set", "checked=4").json["made"]
    assert len(made["left_in_float"]) == 2
