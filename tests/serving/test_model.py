"""A loaded model that answers: every kind of input, in order, alone or among others, whatever cannot be read named."""

import copy
import pickle
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from graft import serving
from graft.errors import ArtifactError, SettingError, UnreadableInputError
from graft.serving import Prediction, Scores, SetAside
from graft.types import Example


@pytest.fixture
def model(probe, one_thread):
    return serving.load(probe.folder, runtime="torch:float32")


@pytest.fixture(scope="module")
def files(probe):
    return sorted(probe.photos.rglob("*.*"))


def examples(files):
    return [Example(str(file), path=file) for file in files]


def test_paths_pictures_and_arrays_get_the_same_answer(model, files):
    files = [file for file in files if file.suffix == ".png"]
    pictures = [Image.open(file) for file in files]
    arrays = [np.asarray(picture) for picture in pictures]
    wanted = model.predict_proba(files)
    for given in ([str(file) for file in files], pictures, arrays, np.stack(arrays)):
        assert np.array_equal(model.predict_proba(given), wanted)
    found = model.predict(files)
    assert [one.label for one in found] == [file.parent.name for file in files]
    assert [one.input for one in found] == [str(file) for file in files]
    assert all(one.probability == one.probabilities.max() for one in found)


def test_probabilities_are_those_of_the_logits_and_the_temperature(model, files):
    logits, failed = model.logits(examples(files))
    assert failed == {}
    assert logits.dtype == np.float32
    scaled = torch.from_numpy(logits).double() / model.manifest["temperature"]
    np.testing.assert_allclose(model.predict_proba(files), scaled.softmax(dim=1), rtol=1e-6, atol=1e-12)


def test_an_answer_does_not_depend_on_what_else_is_asked(model, files):
    together = model.predict_proba(files)
    for row in (0, 7, 35):
        assert np.array_equal(model.predict_proba([files[row]])[0], together[row])
    assert np.array_equal(model.predict_proba(files[::-1])[::-1], together)


def test_features_are_those_of_the_network(model, files):
    found = model.embed(files[:5])
    backbone = model.assembled.backbone
    inputs = np.stack([backbone.preprocess.fit(backbone.preprocess.decode(file.read_bytes())) for file in files[:5]])
    with torch.inference_mode():
        wanted = backbone.prefix(backbone.n_stages)(torch.from_numpy(inputs)).numpy()
    assert found.dtype == np.float32
    assert found.shape == (5, backbone.stages[-1].shape[0])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_nothing_asked_nothing_answered(model):
    assert model.predict([]) == []
    assert model.predict_proba([]).shape == (0, 3)
    assert model.embed([]).shape == (0, model.assembled.backbone.stages[-1].shape[0])
    logits, failed = model.logits([])
    assert logits.shape == (0, 3)
    assert failed == {}


def test_what_cannot_be_read_is_named_in_its_place(model, files, tmp_path):
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "cut.jpg").write_bytes(next(file for file in files if file.suffix == ".jpg").read_bytes()[:200])
    asked = [files[0], tmp_path / "zero.png", files[1], tmp_path / "gone.png", tmp_path / "cut.jpg", files[2], tmp_path]
    answers = list(model.answers(examples(asked)))
    assert [isinstance(one, Prediction) for one in answers] == [True, False, True, False, False, True, False]
    for one, file in zip(answers, asked, strict=True):
        assert one.input == str(file)
        if isinstance(one, SetAside):
            assert one.message.endswith(".")
            assert one.to_json() == {"input": one.input, "message": one.message}
    logits, failed = model.logits(examples(asked))
    assert logits.shape == (3, 3)
    assert set(failed) == {1, 3, 4, 6}
    for broken in (tmp_path / "zero.png", tmp_path / "gone.png"):
        with pytest.raises(UnreadableInputError):
            model.predict([files[0], broken])
        with pytest.raises(UnreadableInputError):
            model.embed([broken])


def test_more_than_a_chunk_stays_in_order_and_is_reported(model, files):
    told = []
    asked = (files * 4)[: serving.model.CHUNK * 2 + 5]
    answers = list(model.answers(examples(asked), progress=lambda what, done, total: told.append((done, total))))
    assert [one.input for one in answers] == [str(file) for file in asked]
    assert told == [(64, 133), (128, 133), (133, 133)]


def test_a_model_tells_what_it_is(model, probe):
    assert model.classes == ("class0", "class1", "class2")
    assert repr(model) == "<graft.Model test_efficientnet, cut 8, 3 classes>"
    assert model.manifest["backbone"]["weights"]["source"] == "random:0"
    assert model.report["accuracy"].value == 1.0
    assert set(model.report) == set(probe.ran.json["test"])
    assert len(model.report) == len(list(model.report))
    shown = str(model.report)
    assert "95 % interval" in shown
    assert "balanced accuracy" in shown
    assert str(model.report["accuracy"].n) in shown


def test_scores_of_a_model_that_held_nothing_out():
    assert "No test data" in str(Scores({}))
    assert dict(Scores({})) == {}


@pytest.mark.parametrize("runtime", ["torch", "openvino", "onnxruntime"])
def test_every_runtime_gives_the_same_labels(probe, files, runtime, one_thread):
    from graft import runtimes

    if (missing := runtimes.REGISTRY.get(runtime).missing()) is not None:
        pytest.skip(missing)
    found = serving.load(probe.folder, runtime=runtime).predict(files)
    assert [one.label for one in found] == [file.parent.name for file in files]


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_model_that_has_answered_can_be_copied_and_sent(probe, files, runtime, one_thread):
    from graft import runtimes

    if (missing := runtimes.REGISTRY.get(runtime).missing()) is not None:
        pytest.skip(missing)
    model = serving.load(probe.folder, runtime=runtime)
    wanted = [one.label for one in model.predict(files)]
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert [one.label for one in again.predict(files)] == wanted


def test_what_is_asked_for_in_vain(probe, files, tmp_path):
    with pytest.raises((SettingError, LookupError), match="runtime must be"):
        serving.load(probe.folder, runtime="nonsense").predict(files[:1])
    with pytest.raises(SettingError, match="device must be"):
        serving.load(probe.folder, device="nonsense").predict(files[:1])
    with pytest.raises(ArtifactError, match=r"graft\.json"):
        serving.load(tmp_path)


def test_the_limit_of_pixels(probe, files):
    with pytest.raises(UnreadableInputError, match="--max-pixels"):
        serving.load(probe.folder, max_pixels=48 * 48 - 1).predict(files[:1])
    assert serving.load(probe.folder, max_pixels=48 * 48).predict(files[:1])


def test_loading_needs_no_training_code(probe):
    import subprocess
    import sys

    code = (
        "import sys; from graft import serving; model = serving.load(sys.argv[1], runtime='torch:float32');"
        "print(model.predict([sys.argv[2]])[0].label);"
        "bad = [m for m in sys.modules if m.startswith(('graft.training', 'graft.strategies', 'graft.selection'))];"
        "assert not bad, bad"
    )
    picture = probe.photos / "class1" / "000.png"
    done = subprocess.run(
        [sys.executable, "-c", code, probe.folder, picture], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "class1"


def test_the_folder_may_go_once_it_is_loaded(probe, files, tmp_path):
    model = serving.load(shutil.copytree(probe.folder, tmp_path / "model"), runtime="torch:float32")
    shutil.rmtree(tmp_path / "model")
    assert model.predict(files[:1])[0].label == "class0"
    again = model.save(tmp_path / "saved")
    assert again.predict(files[:1])[0].label == "class0"
