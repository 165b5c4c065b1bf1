"""The main job on recordings: fit, predict, evaluate, inspect, report; long ones, bad ones, and real ones."""

import json
import re
import shutil

import numpy as np
import pytest
import torch

import graft
import sounds
from graft.types import Example
from quick_fit import PROBE, QUICK, TUNE, one_thread, run_graft


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return sounds.make_sounds(tmp_path_factory.mktemp("sounds") / "data")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, folder):
    """Return the folder of a probe on tones, and what its fit printed."""
    home = tmp_path_factory.mktemp("model")
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(home / "cache"))
        ran = run_graft("fit", folder, "--out", home / "model", "--json", *PROBE)
    return home / "model", ran.json


def test_a_folder_of_recordings_becomes_a_model(fitted):
    home, told = fitted
    assert (told["modality"], told["backbone"], told["strategy"]) == ("audio", "test_efficientnet", "linear_probe")
    assert told["test"]["accuracy"]["value"] >= 0.6
    recipe = json.loads((home / "graft.json").read_text())["preprocess"]
    assert (recipe["rate"], recipe["seconds"], recipe["windows"]) == (8000, 0.4 + 0.1, 1)
    assert (home / "report.html").is_file()
    assert "audio-classification" in (home / "README.md").read_text()


def test_the_model_answers_for_files_and_folders(fitted, folder, graft):
    home, _ = fitted
    files = sorted(folder.rglob("*.*"))
    answers = graft("predict", home, folder, "--json").json["predictions"]
    assert len(answers) == len(files)
    right = [one["label"] in one["input"] for one in answers]
    assert np.mean(right) > 0.9
    alone = graft("predict", home, files[0], "--json").json["predictions"]
    assert alone == answers[:1]


def test_python_takes_paths_and_the_estimator_too(fitted, folder, one_thread):
    home, _ = fitted
    files = sorted(folder.rglob("*.*"))
    model = graft.load(home, runtime="torch:float32")
    assert model.embed(files[:2]).shape[0] == 2
    assert model.predict(files[:1])[0].label == "class0"
    settings = {"runtime": "torch:float32"}
    estimator = graft.Classifier("test_efficientnet", weights="random", settings=settings)
    estimator.fit(files, [file.parent.name for file in files])
    assert estimator.model_.manifest["modality"] == "audio"
    assert (estimator.predict(files) == [file.parent.name for file in files]).mean() > 0.9


def test_the_whole_ladder_is_climbed(folder, tmp_path, graft):
    told = graft("fit", folder, "--out", tmp_path / "model", "--json", *QUICK, "--budget", "30s").json
    names = [rung["strategy"] for rung in told["rungs"]]
    assert names[:4] == ["majority", "simple_features", "nearest_mean", "linear_probe"]
    assert told["test"]["accuracy"]["value"] >= 0.6


def test_fine_tuning_takes_augmented_views(folder, tmp_path, graft):
    words = [*TUNE, "--augment", "auto", "--views", "2"]
    told = graft("fit", folder, "--out", tmp_path / "model", "--json", *words).json
    assert told["strategy"] == "partial"
    assert graft("predict", tmp_path / "model", folder / "class0", "--json").json["predictions"]


@pytest.mark.parametrize("words", [PROBE, TUNE])
def test_long_recordings_are_heard_through_windows(tmp_path, graft, words):
    """One second in twelve holds the tone: a single window would miss it."""
    draw = np.random.default_rng(0)
    for label, hertz in enumerate((400, 1500)):
        home = tmp_path / "data" / f"class{label}"
        home.mkdir(parents=True)
        for number in range(10):
            wave = 0.001 * draw.standard_normal(8000 * 30).astype(np.float32)
            for start in np.arange(0, 30, 3.0) + draw.uniform(0, 2):
                begin = round(start * 8000)
                tone = sounds.tone(hertz, 0.9, seed=number)[: len(wave) - begin]
                wave[begin : begin + len(tone)] += tone
            (home / f"{number}.wav").write_bytes(sounds.encoded(wave))
    told = graft("fit", tmp_path / "data", "--out", tmp_path / "model", "--json", *words).json
    recipe = json.loads((tmp_path / "model" / "graft.json").read_text())
    assert (recipe["preprocess"]["seconds"], recipe["preprocess"]["windows"]) == (10.0, 4)
    assert recipe["backbone"]["stages"][-1] == "windows"
    assert told["rungs"][-1]["validation"]["accuracy"]["value"] > 0.8
    answers = graft("predict", tmp_path / "model", tmp_path / "data", "--json").json["predictions"]
    assert np.mean([one["label"] in one["input"] for one in answers]) > 0.9


def test_the_report_plays_the_most_confident_mistakes(folder, tmp_path, graft):
    data = shutil.copytree(folder, tmp_path / "data")
    for number in range(0, 12, 2):  # labels that no model can know
        one, other = data / "class0" / f"{number:03d}.wav", data / "class1" / f"{number:03d}.wav"
        one.rename(tmp_path / "x")
        other.rename(one)
        (tmp_path / "x").rename(other)
    graft("fit", data, "--out", tmp_path / "model", "--json", *PROBE)
    page = (tmp_path / "model" / "report.html").read_text("utf-8")
    mistakes = page.partition('<section id="mistakes">')[2].partition("</section>")[0]
    assert re.search(r'<audio controls preload="none" src="data:audio/mpeg;base64,[\w+/=]+" aria-label="', mistakes)
    assert "media-src data:" in page
    assert not re.search(r'src="(?!data:)', page)


def test_bad_recordings_are_set_aside_each_with_its_reason(folder, tmp_path, graft):
    data = shutil.copytree(folder, tmp_path / "data")
    whole = sounds.encoded(sounds.tone(seconds=2.0), name="MP3")
    bad = {
        "empty.wav": b"",
        "one_sample.wav": sounds.encoded(np.ones(1, np.float32)),
        "half.wav": sounds.encoded(sounds.tone())[:3000],
        "noise.mp3": bytes(range(256)) * 8,
        "phone.m4a": b"\0\0\0\x20ftypM4A \0\0\0\0" + b"\0" * 100,
        "nan.wav": sounds.encoded(np.full(4000, np.nan, np.float32), coding="FLOAT"),
        "half.mp3": whole[: len(whole) // 2],
    }
    good = {
        "silence.wav": sounds.encoded(np.zeros(4000, np.float32)),
        "eight.wav": sounds.encoded(sounds.tone(seconds=0.41), coding="PCM_U8"),
        "deep.wav": sounds.encoded(sounds.tone(seconds=0.42), coding="PCM_24"),
        "float.wav": sounds.encoded(sounds.tone(seconds=0.43), coding="FLOAT"),
        "no_ending": sounds.encoded(sounds.tone(seconds=0.44)),
    }
    for name, content in (bad | good).items():
        (data / "class0" / name).write_bytes(content)
    found = graft("inspect", data, "--runtime", "torch:float32", "--json").json
    aside = {
        file.rpartition("/")[2]: one["message"]
        for one in found["findings"]
        if one["severity"] == "error"
        for file in one["files"]
    }
    assert set(aside) == set(bad)
    assert all(" must be " in message or "files" in message for message in aside.values())
    assert found["classes"]["class0"] == 12 + len(good)
    kinds = {one["kind"] for one in found["findings"]}
    assert {"zero_size", "too_short", "truncated", "unreadable", "silence", "eight_bit"} <= kinds


def test_a_folder_of_bad_recordings_is_one_sentence(tmp_path, graft):
    for label in "ab":
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "data" / label / f"{number}.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt " + bytes([number]) * 50)
    said = graft("fit", tmp_path / "data", "--out", tmp_path / "model", "--json", *PROBE).complaint
    assert "6 set aside (6 unreadable)" in said
    assert not (tmp_path / "model").exists()


def test_a_bad_recording_among_those_asked_is_named(fitted, folder, tmp_path, graft):
    (tmp_path / "cut.wav").write_bytes((folder / "class0" / "000.wav").read_bytes()[:500])
    found = graft("predict", fitted[0], folder / "class0" / "000.wav", tmp_path / "cut.wav", "--json").json
    assert len(found["predictions"]) == 1
    assert "of the" in found["set_aside"][0]["message"]


def test_a_recording_much_longer_than_those_fitted_is_heard_to_its_end(fitted, tmp_path, one_thread):
    """Its middle sounds like class 0 and all the rest like class 2; the answer is the mean over all of it."""
    pieces = [sounds.tone(300 if 18 <= number < 22 else 1200, 0.4, seed=number) for number in range(40)]
    content = sounds.encoded(np.concatenate(pieces))
    (tmp_path / "long.wav").write_bytes(content)
    model = graft.load(fitted[0], runtime="torch:float32")
    backbone, head = model.assembled.backbone, model.assembled.head
    form = backbone.preprocess
    count = form.parts(content)
    assert count == 32  # 16 s through windows of half a second
    parts = np.stack([form.fit(form.part(content, number, count)) for number in range(count)])
    with torch.no_grad():
        each = head(backbone.prefix(backbone.n_stages)(torch.from_numpy(parts))).numpy()
    found, failed = model.logits([Example("long.wav", path=tmp_path / "long.wav")])
    assert failed == {}
    np.testing.assert_allclose(found[0], each.mean(axis=0), atol=1e-4)
    assert np.abs(found[0] - each[15]).max() > 0.01


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "strategy", "least"), [("esc10", "linear_probe", 0.87), ("fsdd", "auto", 0.97)])
def test_real_recordings_reach_what_was_promised(real, tmp_path, graft, name, strategy, least):
    words = ["--strategy", strategy, "--budget", "2m"]
    told = graft("fit", real / name, "--out", tmp_path / "model", "--json", *words).json
    assert told["test"]["accuracy"]["value"] >= least, told["rungs"]
