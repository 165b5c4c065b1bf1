"""The main job on recordings with networks of sound: fit, predict, report, fine-tuning, long recordings, real ones."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import graft
import sounds
import tiny_sound
from graft.types import Example
from quick_fit import TORCH, one_thread, run_graft

NETWORKS = ["wav2vec2", "wav2vec2-layer", "hubert", "ast", "whisper"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return sounds.make_sounds(tmp_path_factory.mktemp("tones") / "data")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """What writes a tiny network into a folder, once for each kind."""
    home = tmp_path_factory.mktemp("networks")

    def written(name):
        return home / name if (home / name).is_dir() else tiny_sound.write(home / name, name)

    return written


@pytest.fixture(scope="module", params=NETWORKS)
def fitted(request, tmp_path_factory, folder, network):
    """Return the folder of a probe on tones, and what its fit printed."""
    home = tmp_path_factory.mktemp("model")
    words = ("--backbone", network(request.param), "--strategy", "linear_probe", *TORCH)
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(home / "cache"))
        ran = run_graft("fit", folder, "--out", home / "model", "--json", *words)
    return home / "model", ran.json


def test_recordings_become_a_model(fitted):
    home, told = fitted
    assert (told["modality"], told["strategy"]) == ("audio", "linear_probe")
    assert told["test"]["accuracy"]["value"] >= 0.6
    recipe = json.loads((home / "graft.json").read_text())["preprocess"]
    assert (recipe["form"], recipe["rate"], recipe["windows"]) == ("waves", 16_000, 1)
    assert "audio-classification" in (home / "README.md").read_text()
    assert re.search(r"data:image/(webp|jpeg)", (home / "report.html").read_text())


def test_the_model_answers_where_its_network_is_not(fitted, folder, graft, tmp_path, network):
    home, _ = fitted
    moved = shutil.copytree(home, tmp_path / "moved")
    source = Path(json.loads((moved / "graft.json").read_text())["backbone"]["name"])
    away = source.rename(source.with_name("away"))
    try:
        answers = graft("predict", moved, folder, "--json").json["predictions"]
    finally:
        away.rename(source)
    assert len(answers) == 36
    assert np.mean([one["label"] in one["input"] for one in answers]) > 0.8
    files = sorted(folder.rglob("*.*"))
    assert graft("predict", home, files[0], "--json").json["predictions"] == answers[:1]


def test_a_long_recording_is_heard_to_its_end(fitted, tmp_path, one_thread):
    """Its middle sounds like class 0 and all the rest like class 2; the answer is the mean over all of it."""
    pieces = [sounds.tone(300 if 18 <= number < 22 else 1200, 0.4, seed=number) for number in range(40)]
    content = sounds.encoded(np.concatenate(pieces))
    (tmp_path / "long.wav").write_bytes(content)
    model = graft.load(fitted[0], runtime="torch:float32")
    backbone, head = model.assembled.backbone, model.assembled.head
    form = backbone.preprocess
    count = form.parts(content)
    assert count == -(-16 // form.seconds)
    parts = np.stack([form.fit(form.part(content, number, count)) for number in range(count)])
    with torch.no_grad():
        each = head(backbone.prefix(backbone.n_stages)(torch.from_numpy(parts))).numpy()
    found, failed = model.logits([Example("long.wav", path=tmp_path / "long.wav")])
    assert failed == {}
    np.testing.assert_allclose(found[0], each.mean(axis=0), atol=1e-4)
    assert np.abs(found[0] - each[count // 2]).max() > 0.001


def test_long_recordings_are_fitted_through_windows(tmp_path, network, graft):
    data = sounds.make_sounds(tmp_path / "data", classes=2, each=8, seconds=2.5)
    words = ("--backbone", network("whisper"), "--strategy", "linear_probe", *TORCH)
    told = graft("fit", data, "--out", tmp_path / "model", "--json", *words).json
    manifest = json.loads((tmp_path / "model" / "graft.json").read_text())
    assert manifest["preprocess"]["windows"] == 4
    assert manifest["backbone"]["stages"][-2:] == ["pool", "windows"]
    answers = graft("predict", tmp_path / "model", data, "--json").json["predictions"]
    assert len(answers) == 16
    assert told["test"]["accuracy"]["n"] >= 2


@pytest.mark.parametrize(("name", "strategy"), [("hubert-layer", "partial"), ("wav2vec2", "full"), ("ast", "partial")])
def test_fine_tuning_takes_augmented_views(name, strategy, folder, tmp_path, network, graft):
    words = [
        *("--backbone", network(name), "--strategy", strategy, "--augment", "speech,shift", "--views", "2", *TORCH),
        *("--set", f"{strategy}.optimisation.epochs=2", "--set", f"{strategy}.regularisation.patience=0"),
    ]
    told = graft("fit", folder, "--out", tmp_path / "model", "--json", *words).json
    assert told["strategy"] == strategy
    assert graft("predict", tmp_path / "model", folder / "class0", "--json").json["predictions"]


def test_a_head_may_read_the_frames(folder, tmp_path, network, graft):
    words = ["--backbone", network("wav2vec2-layer"), "--head", "rnn", "--strategy", "frozen_head", *TORCH]
    told = graft("fit", folder, "--out", tmp_path / "model", "--json", *words).json
    manifest = json.loads((tmp_path / "model" / "graft.json").read_text())
    assert manifest["backbone"]["stages"][-1] == "encoder.layers.2"
    assert told["strategy"] == "frozen_head"
    assert graft("predict", tmp_path / "model", folder / "class1", "--json").json["predictions"]


def test_wavenet_tells_its_receptive_field(tmp_path, graft):
    data = sounds.make_sounds(tmp_path / "data", classes=2, each=6)
    words = ["--backbone", "wavenet", "--weights", "random", "--strategy", "linear_probe", *TORCH]
    told = graft("fit", data, "--out", tmp_path / "model", "--json", *words).json
    assert told["backbone"] == "wavenet"
    assert "2,048 samples, 0.128 s" in graft("show", tmp_path / "model").out
    assert len(graft("predict", tmp_path / "model", data, "--json").json["predictions"]) == 12


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["wav2vec2-masked", "hubert", "ast", "whisper"])
def test_spoken_digits_go_through_every_kind(name, real, tmp_path, network, graft):
    """Of networks that were never trained, so no accuracy is asked for: that all is heard and answered."""
    for digit in ("0", "1"):
        (tmp_path / "data" / digit).mkdir(parents=True)
        for file in sorted((real / "fsdd").rglob(f"{digit}/*"))[:12]:
            shutil.copy(file, tmp_path / "data" / digit)
    words = ("--backbone", network(name), "--strategy", "linear_probe", *TORCH)
    told = graft("fit", tmp_path / "data", "--out", tmp_path / "model", "--json", *words).json
    assert told["test"]["accuracy"]["n"] >= 2
    answers = graft("predict", tmp_path / "model", tmp_path / "data", "--json").json["predictions"]
    assert len(answers) == 24
    assert len({json.dumps(one["probability"]) for one in answers}) > 20
