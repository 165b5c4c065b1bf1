"""Exporting a fitted model: the command, the comparison, the metadata, and what is refused."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

import graft as package
from graft import artifact, exporters
from graft.doubt import kept
from graft.errors import ArtifactError
from graft.exporters import onnx as onnx_exporter
from graft.exporters._inputs import sample
from graft.exporters._network import network
from graft.exporters._parity import compare

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")
ONNX = exporters.REGISTRY.create("onnx")


@pytest.fixture(scope="module")
def exported(probe, tmp_path_factory):
    """The probe as one ONNX file."""
    out = tmp_path_factory.mktemp("exported") / "model.onnx"
    return package.export(probe.folder, out)


def logits(file, model, photos):
    preprocess = model.assembled.backbone.preprocess
    arrays = np.stack([preprocess.fit(preprocess.decode(one.read_bytes())) for one in photos])
    return ONNX.open(file).run({"input": arrays})["logits"]


def test_the_file_answers_as_the_model_does(exported, probe):
    model = package.load(probe.folder, runtime="torch:float32")
    photos = sorted(probe.photos.rglob("*.png"))[:5]
    found = logits(exported.file, model, photos)
    chances = model.assembled.task.probabilities(found, exported.metadata["temperature"])
    np.testing.assert_allclose(chances, model.predict_proba(photos), atol=1e-5)


def test_a_fine_tuned_model_goes_too(tuned, tmp_path, one_thread):
    model = package.load(tuned.folder, runtime="torch:float32")
    found = model.export(tmp_path / "there" / "model.onnx")
    photos = sorted(tuned.photos.rglob("*.jpg"))[:3]
    chances = model.assembled.task.probabilities(logits(found.file, model, photos), found.metadata["temperature"])
    np.testing.assert_allclose(chances, model.predict_proba(photos), atol=1e-5)


def test_the_file_says_all_that_its_user_needs(exported, probe):
    told, manifest = json.loads(ONNX.open(exported.file).metadata), artifact.check(probe.folder)
    assert told["format"] == 1
    assert told["modality"] == "image"
    assert told["preprocess"] == manifest["preprocess"]
    assert told["task"]["classes"] == ["class0", "class1", "class2"]
    assert told["task"]["outputs"] == 3
    assert told["temperature"] == manifest["temperature"]
    assert told["inputs"] == [{"name": "input", "dtype": "uint8", "shape": [3, 160, 160]}]
    assert (told["outputs"], told["features"]) == (["logits", "features"], "features")
    assert told["fingerprint"] == json.loads((probe.folder / "graft.json").read_text())["checksum"]


def test_what_the_model_does_not_know_lies_beside_the_file(exported, probe):
    file = exported.file.with_name("model.doubt.safetensors")
    told = json.loads(ONNX.open(exported.file).metadata)["files"]
    assert told == {kept.NAME: sha256(file.read_bytes()).hexdigest()}
    written, own = kept.read(file), kept.read(probe.folder / kept.NAME)
    assert (written.above, written.width) == (own.above, own.width)
    np.testing.assert_array_equal(written.reference.values, own.reference.values)


def test_it_is_compared_on_inputs_of_the_training_data(exported, probe):
    assert exported.parity.inputs == f"inputs of {probe.photos}"
    assert (exported.parity.n, exported.parity.tolerance) == (16, 1e-3)
    assert 0 <= exported.parity.logits < 1e-4


def test_the_comparison_sees_a_model_that_differs(exported, probe):
    model = package.load(probe.folder).assembled
    inputs = sample(model, probe.photos, 0)
    whole = network(model)
    opened = ONNX.open(exported.file)
    assert compare(whole, opened, inputs.arrays, inputs.used, "").good
    with torch.no_grad():
        whole.module.head[-1].weight.mul_(1.01)
    worse = compare(whole, opened, inputs.arrays, inputs.used, "")
    assert not worse.good
    assert worse.logits > 1e-3 > worse.features


def test_a_file_that_answers_otherwise_is_removed(probe, tmp_path, monkeypatch, graft):
    write = onnx_exporter.Onnx.write

    def wrong(self, whole, inputs, file, metadata):
        bias = whole.module.head[-1].bias
        bias += 1
        write(self, whole, inputs, file, metadata)
        bias -= 1

    monkeypatch.setattr(onnx_exporter.Onnx, "write", wrong)
    ran = graft("export", probe.folder, "--out", tmp_path / "new" / "model.onnx")
    assert "within 0.001 of the model's answers" in ran.complaint
    assert list((tmp_path / "new").iterdir()) == []


def test_without_the_training_data_it_is_noise(tmp_path, probe):
    model = package.load(probe.folder)
    manifest = {**model.manifest, "data": {"source": str(tmp_path / "gone")}}
    alone = artifact.put(model.assembled, manifest)
    one, two = sample(alone, None, 3), sample(alone, None, 3)
    assert one.told == "noise drawn from seed 3"
    assert np.array_equal(one.arrays["input"], two.arrays["input"])
    assert not np.array_equal(one.arrays["input"], sample(alone, None, 4).arrays["input"])


def test_the_command_prints_what_it_wrote(probe, tmp_path, graft):
    out = tmp_path / "folder"
    ran = graft("export", probe.folder, "--format", "torch_export", "--out", out, "--json").json
    assert ran["file"] == str(out / "model.pt2")
    assert ran["bytes"] == (out / "model.pt2").stat().st_size
    assert ran["parity"]["n"] == 16
    assert "preprocess" not in ran["metadata"]
    listed = {one["name"] for one in graft("list", "exporters", "--json").json["exporters"]}
    assert listed == {"onnx", "torch_export"}


def test_what_is_there_is_kept_unless_it_is_to_be_replaced(probe, tmp_path, graft):
    file = tmp_path / "model.onnx"
    file.write_bytes(b"mine")
    words = ("export", probe.folder, "--out", file)
    assert "--force" in graft(*words).complaint
    assert file.read_bytes() == b"mine"
    ran = graft(*words, "--force", "--data", probe.photos / "class0")
    assert ran.code == 0
    assert f"inputs of {probe.photos / 'class0'}" in ran.out
    assert ONNX.open(file).metadata


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format", "onx", "--out", "a.onnx"), "'onnx'"),
        (("--out", "taken"), "--out must be a folder or a file ending in .onnx"),
        (("--out", "taken/model.onnx"), "inside a folder"),
        (("--out", "new", "--data", "nowhere"), "a path that exists"),
        (("--out", "new", "--data", "taken"), "--data must be inputs that can be read"),
        (("--out", "taken", "--triton", "a"), "--out must be a folder"),
        (("--out", "new", "--triton", "../a"), "--triton must be a name of letters"),
        (("--out", "new", "--triton", "a", "--format", "torch_export"), "in a repository of Triton"),
    ],
)
def test_bad_words_are_one_sentence(probe, tmp_path, graft, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("x")
    assert said in graft("export", probe.folder, *words).complaint
    assert [one.name for one in tmp_path.iterdir()] == ["taken"]


def test_no_model_and_a_changed_one_are_refused(probe, tmp_path, graft):
    assert "a folder with a graft.json" in graft("export", tmp_path, "--out", tmp_path / "a.onnx").complaint
    changed = tmp_path / "changed"
    changed.mkdir()
    for one in ("graft.json", "weights.safetensors"):
        (changed / one).write_bytes((probe.folder / one).read_bytes())
    content = bytearray((changed / "weights.safetensors").read_bytes())
    content[-5] ^= 1
    (changed / "weights.safetensors").write_bytes(content)
    assert "unchanged since it was written" in graft("export", changed, "--out", tmp_path / "a.onnx").complaint
    assert not (tmp_path / "a.onnx").exists()


def test_what_is_not_installed_is_named(probe, tmp_path, graft, monkeypatch):
    monkeypatch.setattr(onnx_exporter, "find_spec", lambda name: None if name == "onnxscript" else name)
    assert "pip install onnxscript" in graft("export", probe.folder, "--out", tmp_path / "a.onnx").complaint


def test_a_file_that_is_no_network_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(RuntimeError, match="ONNX Runtime cannot open it"):
        ONNX.open(tmp_path / "model.onnx")


def test_a_folder_that_may_not_be_written_is_refused(probe, tmp_path, monkeypatch):
    monkeypatch.setattr("graft.exporters._export.os.access", lambda *_: False)
    with pytest.raises(ArtifactError, match="in a folder that can be written"):
        package.export(probe.folder, tmp_path / "a.onnx")
