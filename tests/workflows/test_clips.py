"""The main job on videos: fit, predict, evaluate, inspect, report; frames pooled or read in order; bad ones."""

import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import clips
import graft
from quick_fit import PROBE, QUICK, TUNE, one_thread, run_graft


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return clips.make_clips(tmp_path_factory.mktemp("clips") / "data")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, folder):
    """Return the folder of a probe on coloured squares, and what its fit printed."""
    home = tmp_path_factory.mktemp("model")
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(home / "cache"))
        ran = run_graft("fit", folder, "--out", home / "model", "--json", *PROBE)
    return home / "model", ran.json


def recipe_of(model):
    return json.loads((model / "graft.json").read_text())


def test_a_folder_of_videos_becomes_a_model(fitted):
    home, told = fitted
    assert (told["modality"], told["backbone"], told["strategy"]) == ("video", "test_efficientnet", "linear_probe")
    assert told["test"]["accuracy"]["value"] >= 0.8
    written = recipe_of(home)
    assert (written["preprocess"]["frames"], written["preprocess"]["pooling"]) == (8, "mean")
    assert written["backbone"]["stages"][-1] == "windows"
    assert "video-classification" in (home / "README.md").read_text()


def test_the_model_answers_for_files_folders_and_tables(fitted, folder, tmp_path, graft):
    home, _ = fitted
    files = sorted(folder.rglob("*.*"))
    answers = graft("predict", home, folder, "--json").json["predictions"]
    assert len(answers) == len(files)
    assert np.mean([one["label"] in one["input"] for one in answers]) > 0.9
    assert graft("predict", home, files[0], "--json").json["predictions"] == answers[:1]
    rows = "\n".join(f"{one},{one.parent.name}" for one in files)
    (tmp_path / "list.csv").write_text(f"video,label\n{rows}\n")
    found = graft("evaluate", home, tmp_path / "list.csv", "--json").json
    assert found["test"]["accuracy"]["n"] == len(files)


def test_python_and_the_estimator_take_paths(fitted, folder, one_thread):
    home, _ = fitted
    files = sorted(folder.rglob("*.*"))
    model = graft.load(home, runtime="torch:float32")
    assert model.embed(files[:2]).shape[0] == 2
    assert model.predict(files[:1])[0].label == "class0"
    settings = {"runtime": "torch:float32", "preprocess.frames": 2}
    estimator = graft.Classifier("test_efficientnet", weights="random", settings=settings)
    estimator.fit(files, [file.parent.name for file in files])
    assert estimator.model_.manifest["preprocess"]["frames"] == 2


def test_the_whole_ladder_is_climbed(folder, tmp_path, graft):
    words = [*QUICK, "--budget", "40s", "--set", "preprocess.frames=4"]
    told = graft("fit", folder, "--out", tmp_path / "model", "--json", *words).json
    names = [rung["strategy"] for rung in told["rungs"]]
    assert names[:4] == ["majority", "simple_features", "nearest_mean", "linear_probe"]
    values = {rung["strategy"]: rung["validation"]["accuracy"]["value"] for rung in told["rungs"]}
    assert values["linear_probe"] >= 0.8, values
    assert told["test"]["accuracy"]["value"] >= 0.6  # a handful of clips, and which rungs there was time for varies


def test_fine_tuning_takes_augmented_views_of_frames_from_the_store(folder, tmp_path, graft):
    words = [*QUICK, "--strategy", "partial", "--augment", "auto", "--views", "2", "--set", "preprocess.frames=3"]
    words += ["--set", "partial.optimisation.epochs=2"]
    told = graft("fit", folder, "--out", tmp_path / "model", "--json", *words).json
    assert told["strategy"] == "partial"
    assert recipe_of(tmp_path / "model")["cut"] > 0
    answers = graft("predict", tmp_path / "model", folder, "--json").json["predictions"]
    assert np.mean([one["label"] in one["input"] for one in answers]) > 0.6


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_frames_are_pooled_as_asked(folder, tmp_path, graft, pooling):
    words = [*PROBE, "--set", f"preprocess.pooling={pooling}", "--set", "preprocess.frames=4"]
    graft("fit", folder, "--out", tmp_path / "model", "--json", *words)
    model = graft_load(tmp_path / "model")
    backbone = model.assembled.backbone
    form, n = backbone.preprocess, backbone.n_stages
    file = next(folder.rglob("*.mp4"))
    import torch

    seen = torch.from_numpy(form.fit(form.decode(file.read_bytes())))[None]
    with torch.no_grad():
        each = backbone.prefix(n - 1)(seen)
    assert tuple(each.shape[1:]) == backbone.shape(n - 1) == (4, backbone.shape(n)[0])
    wanted = each.mean(1) if pooling == "mean" else each.amax(1)
    np.testing.assert_allclose(model.embed([file]), wanted.numpy(), atol=1e-5)


def graft_load(home):
    return graft.load(home, runtime="torch:float32")


def test_an_rnn_tells_directions_that_the_mean_of_frames_cannot(tmp_path, graft):
    """The same square, to the left or to the right: a frame alone says nothing, and neither does a mean of frames."""
    data = clips.make_directions(tmp_path / "data", each=40)
    mean = graft("fit", data, "--out", tmp_path / "mean", "--json", *PROBE).json
    words = [*QUICK, "--head", "rnn", "--strategy", "frozen_head"]
    words += ["--set", "frozen_head.optimisation.epochs=40", "--set", "head.dropout=0"]
    rnn = graft("fit", data, "--out", tmp_path / "rnn", "--json", *words).json
    assert rnn["rungs"][-1]["validation"]["accuracy"]["value"] >= 0.9, rnn["rungs"]
    assert mean["rungs"][-1]["validation"]["accuracy"]["value"] <= 0.75, mean["rungs"]
    written = recipe_of(tmp_path / "rnn")
    assert "windows" not in written["backbone"]["stages"]
    assert written["head_shape"][0] == 8
    answers = graft("predict", tmp_path / "rnn", data, "--json").json["predictions"]
    assert np.mean([f"/{one['label']}/" in one["input"] for one in answers]) > 0.9


def test_an_rnn_on_top_of_fine_tuned_frames(folder, tmp_path, graft):
    words = [*TUNE, "--head", "rnn", "--set", "preprocess.frames=3"]
    told = graft("fit", folder, "--out", tmp_path / "model", "--json", *words).json
    assert told["strategy"] == "partial"
    assert graft("predict", tmp_path / "model", folder / "class1", "--json").json["predictions"]


def test_the_report_shows_frames_of_the_most_confident_mistakes(folder, tmp_path, graft):
    data = shutil.copytree(folder, tmp_path / "data")
    for number in range(0, 12, 2):  # labels that no model can know
        one, other = data / "class0" / f"{number:03d}.mp4", data / "class1" / f"{number:03d}.mp4"
        one.rename(tmp_path / "x")
        other.rename(one)
        (tmp_path / "x").rename(other)
    graft("fit", data, "--out", tmp_path / "model", "--json", *PROBE)
    page = (tmp_path / "model" / "report.html").read_text("utf-8")
    mistakes = page.partition('<section id="mistakes">')[2].partition("</section>")[0]
    pictures = re.findall(r'<img src="data:image/webp;base64,([\w+/=]+)" alt="([^"]*)"', mistakes)
    assert len(pictures) >= 2
    assert any("where the model looked" in alt for _, alt in pictures)
    with Image.open(io.BytesIO(base64.b64decode(pictures[0][0]))) as sheet:
        assert min(sheet.size) >= 2 * 48  # two frames beside two, as large as they are
    assert not re.search(r'src="(?!data:)', page)


def test_bad_videos_are_set_aside_each_with_its_reason(tmp_path, graft):
    data = clips.make_clips(tmp_path / "data", classes=2, each=4)
    whole = clips.encoded(clips.moving())
    bad = {
        "empty.mp4": b"",
        "half.mp4": whole[: len(whole) // 2],
        "no_index.mp4": whole[: whole.index(b"moov") - 4],
        "sound.mp4": clips.sound_only(),
        "sound.webm": clips.sound_only("webm", "libopus"),
        "letter.avi": b"Dear Sir or Madam, " * 50,
        "photo.mov": b"\x89PNG\r\n\x1a\n" + b"\0" * 400,
        "large.mp4": clips.encoded(clips.moving(3, (256, 256))),
    }
    good = {
        "really_webm.mp4": clips.encoded(clips.moving(seed=1), "webm", "libvpx"),
        "no_ending": clips.encoded(clips.moving(seed=2)),
        "ein Clip mit Leerzeichen.mp4": clips.encoded(clips.moving(seed=3)),
        "视频-日本-é.webm": clips.encoded(clips.moving(seed=4), "webm", "libvpx"),
        "turned.mp4": clips.marked(clips.encoded(clips.moving(seed=5)), clips.QUARTER),
        "one.avi": clips.encoded(clips.moving(1, seed=6), "avi", "mpeg4"),
    }
    for name, content in (bad | good).items():
        (data / "class0" / name).write_bytes(content)
    (tmp_path / "elsewhere.mp4").write_bytes(clips.encoded(clips.moving(seed=7)))
    (data / "class0" / "link.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    (data / "class0" / "dangling.mp4").symlink_to(tmp_path / "nowhere.mp4")
    words = ["--runtime", "torch:float32", "--max-pixels", "50000", "--json"]
    found = graft("inspect", data, *words).json
    aside = {
        file.rpartition("/")[2]: one["kind"]
        for one in found["findings"]
        if one["severity"] == "error"
        for file in one["files"]
    }
    assert aside == {
        "empty.mp4": "zero_size",
        "half.mp4": "truncated",
        "no_index.mp4": "truncated",
        "sound.mp4": "no_frames",
        "sound.webm": "no_frames",
        "letter.avi": "unreadable",
        "photo.mov": "unreadable",
        "large.mp4": "too_large",
        "dangling.mp4": "missing_file",
    }
    assert found["classes"]["class0"] == 4 + len(good) + 1
    kinds = {one["kind"] for one in found["findings"]}
    assert {"wrong_extension", "rotation_flag", "one_frame"} <= kinds


def test_a_folder_of_bad_videos_is_one_sentence(tmp_path, graft):
    for label in "ab":
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "data" / label / f"{number}.webm").write_bytes(b"\x1aE\xdf\xa3" + bytes([number]) * 500)
    said = graft("fit", tmp_path / "data", "--out", tmp_path / "model", "--json", *PROBE).complaint
    assert "6 set aside" in said
    assert not (tmp_path / "model").exists()


def test_a_bad_video_among_those_asked_is_named(fitted, folder, tmp_path, graft):
    content = (folder / "class0" / "000.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) - 200])
    found = graft("predict", fitted[0], folder / "class0" / "000.mp4", tmp_path / "cut.mp4", "--json").json
    assert len(found["predictions"]) == 1
    assert "of the" in found["set_aside"][0]["message"]


def test_wrong_settings_are_one_sentence(folder, tmp_path, graft):
    ask = ("fit", folder, "--out", tmp_path / "model", *PROBE)
    assert "'frames'" in graft(*ask, "--set", "preprocess.frmaes=3").complaint
    assert "preprocess" in graft(*ask, "--set", "preprocess.pooling=rnn").complaint
    assert "images" in graft("fit", folder, "--out", tmp_path / "model", "--backbone", "all-MiniLM-L6-v2").complaint


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_networks_of_images_are_listed_for_what_they_can_take(graft, modality):
    names = [one["name"] for one in graft("list", "backbones", "--modality", modality, "--json").json["backbones"]]
    assert "resnet50" in names
    assert "gpt2" not in names
