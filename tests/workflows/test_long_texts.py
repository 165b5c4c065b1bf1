"""Long texts from table to answer: what tells the label stands behind the first window, and every step reads it."""

import csv
import importlib.util

import numpy as np
import pytest
import torch

import graft as package
import quick_fit
import tiny_transformers
from graft.backbones import load
from graft.types import Example

LABELS = {
    "card": ["card", "lost", "my"],
    "transfer": ["transfer", "failed", "charged"],
    "help": ["please", "help", "up"],
}
FILLER = ["where", "is", "the", "a", "has", "not", "it", "why"]
WINDOWS = ("--set", "preprocess.max_length=16", "--set", "preprocess.max_windows=6", "--runtime", "torch:float32")


def texts(seed, each):
    draw = np.random.default_rng(seed)
    for number in range(each * len(LABELS)):
        label = list(LABELS)[number % len(LABELS)]
        told = draw.choice(LABELS[label], 25).tolist()
        after = draw.choice(FILLER, draw.integers(0, 20)).tolist()
        yield " ".join([*draw.choice(FILLER, 20).tolist(), *told, *after]), label


def table(path, seed, each):
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerows([("text", "label"), *texts(seed, each)])
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    with pytest.MonkeyPatch.context() as patch:
        # The server is first run on token ids up to 100.
        patch.setitem(tiny_transformers.CONFIGS["bert"], "vocab_size", 100)
        tiny_transformers.write(folder / "bert", "bert")
    table(folder / "train.csv", 1, 30)
    table(folder / "later.csv", 2, 10)
    return folder


def fit(home, name, *words):
    with quick_fit.one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(home / "cache"))
        ran = quick_fit.run_graft(
            *("fit", home / "train.csv", "--out", home / name, "--backbone", home / "bert", "--budget", "60s"),
            *("--json", *words),
        )
    return ran


@pytest.fixture(scope="module")
def fitted(home):
    ran = fit(home, "model", "--strategy", "linear_probe", *WINDOWS)
    assert ran.code == 0, ran.err
    return home / "model", ran


def test_a_fit_reads_behind_the_first_window(home, fitted, graft):
    assert fitted[1].json["test"]["accuracy"]["value"] >= 0.95
    later = graft("evaluate", fitted[0], home / "later.csv", "--json").json["test"]["accuracy"]
    assert (later["value"] >= 0.95, later["n"]) == (True, 30)
    first = fit(home, "first", "--strategy", "linear_probe", "--set", "preprocess.max_length=16", *WINDOWS[-2:])
    assert graft("evaluate", home / "first", home / "later.csv", "--json").json["test"]["accuracy"]["value"] < 0.7
    assert "Truncated: 90 files" in first.err and "Truncated" not in fitted[1].err


def test_a_model_answers_by_the_mean_of_a_texts_windows(home, fitted, one_thread):
    model = package.load(fitted[0], runtime="torch:float32")
    asked = [text for text, _ in texts(3, 3)]
    form = model.assembled.backbone.preprocess
    plain = load(str(home / "bert"))
    plain = plain.given(plain.preprocess.limited(max_length=16))
    wanted = []
    for text in asked:
        one = np.stack([plain.preprocess.fit(np.frombuffer(part.encode(), np.uint8)) for part in form.windows(text)])
        wanted.append(plain.prefix(plain.n_stages)(torch.from_numpy(one)).mean(0).numpy())
    np.testing.assert_allclose(model.embed(asked), np.stack(wanted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("words", [("--strategy", "nearest_mean"), ("--strategy", "linear_probe", "--with", "length")])
def test_other_ways_at_the_top(home, words, graft):
    ran = fit(home, f"top-{words[1]}", *words, *WINDOWS)
    assert ran.json["test"]["accuracy"]["value"] >= 0.9


@pytest.mark.parametrize(
    "words",
    [
        (
            *("--strategy", "partial", "--views", "1", "--set", "partial.optimisation.epochs=2"),
            *("--set", "partial.regularisation.cutmix=1", "--set", "partial.regularisation.mixup=0"),
        ),
        ("--strategy", "full", "--views", "1", "--set", "full.optimisation.epochs=2"),
        ("--strategy", "frozen_head", "--head", "rnn", "--set", "optimisation.epochs=60", "--set", "head.hidden=32"),
    ],
)
def test_windows_are_trained_on_too(home, words, graft):
    ran = fit(home, f"trained-{words[1]}", *words, *WINDOWS)
    assert ran.json["test"]["accuracy"]["value"] >= 0.9, ran.err
    later = graft("evaluate", home / f"trained-{words[1]}", home / "later.csv", "--json").json["test"]
    assert later["accuracy"]["value"] >= 0.9


def test_a_network_of_tokens_is_not_pruned(fitted, tmp_path, graft):
    pytest.importorskip("torch_pruning")
    said = graft("compress", fitted[0], "--method", "prune", "--out", tmp_path / "smaller", "--json").complaint
    assert "a network to be pruned must be one of convolutions" in said


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxscript", "onnxruntime", "fastapi"))), reason="needs extras"
)
def test_a_served_file_answers_as_the_model_does(fitted, tmp_path, one_thread):
    from graft.serving.http.metrics import Metrics
    from graft.serving.http.served import Input
    from graft.serving.http.served import load as opened
    from graft.serving.http.settings import Limits

    model = package.load(fitted[0], runtime="torch:float32")
    model.export(tmp_path / "model.onnx")
    asked = [text for text, _ in texts(5, 2)] + ["please help", "where is the transfer"]
    wanted, _ = model.logits([Example(text, content=text.encode()) for text in asked])
    served = opened("long", tmp_path / "model.onnx", limits=Limits(), metrics=Metrics(), runtime="onnxruntime")
    # All at once: texts of fewer windows are padded to those of the most.
    found = served.work([Input(text.encode()) for text in asked])
    served.close()
    np.testing.assert_allclose(np.stack([one.logits for one in found]), wanted, rtol=1e-3, atol=1e-4)
