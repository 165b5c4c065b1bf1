"""The model folder: every byte counts, it appears whole or not at all, and what it holds is what was fitted."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from graft import api, artifact, backbones
from graft.artifact import folder as folders
from graft.artifact import manifest as manifests
from graft.errors import ArtifactError, GraftError
from graft.heads.linear import Linear
from graft.preprocess.audio import Audio
from graft.tasks.classification import Classification
from graft.types import Example


@pytest.fixture
def model(probe, tmp_path):
    """A copy of a model folder that a test may spoil."""
    return shutil.copytree(probe.folder, tmp_path / "model")


@pytest.fixture
def reseal(model):
    """Return what changes the manifest and seals it again, as one who forges a folder would."""

    def change(**values):
        plain = {**manifests.read(model), **values}
        manifests.write(model, {name: value for name, value in plain.items() if value is not None})
        return model

    return change


def examples(photos):
    return [Example(str(file), path=file) for file in sorted(photos.rglob("*.*"))]


@pytest.mark.parametrize("mask", [0x01, 0x10, 0x80])
def test_a_changed_byte_of_the_manifest_is_seen_or_means_nothing(model, mask):
    whole = (model / "graft.json").read_bytes()
    told = manifests.read(model)
    harmless = 0
    for at in range(mask % 13, len(whole), 13):
        changed = bytearray(whole)
        changed[at] ^= mask
        (model / "graft.json").write_bytes(changed)
        try:
            assert manifests.read(model) == told
            harmless += 1
        except ArtifactError as error:
            assert "graft.json must be" in str(error)
    # Only one kind of white space for another passes.
    assert harmless < 0.01 * len(whole)


def test_digits_that_become_infinite_are_seen(model):
    text = (model / "graft.json").read_text()
    (model / "graft.json").write_text(text.replace('"peak_rss_bytes": ', '"peak_rss_bytes": 1e999'))
    with pytest.raises(ArtifactError, match="unchanged since it was written"):
        manifests.read(model)


def test_a_changed_byte_of_the_weights_is_seen_in_every_region(model):
    whole = (model / "weights.safetensors").read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    places = {0, 7, 8, 9, header // 2, header - 1, header, header + 1, len(whole) // 2, len(whole) - 1}
    for at in sorted(places | set(range(0, len(whole), len(whole) // 20))):
        changed = bytearray(whole)
        changed[at] ^= 0x04
        (model / "weights.safetensors").write_bytes(changed)
        with pytest.raises(ArtifactError, match=r"weights\.safetensors must be unchanged"):
            artifact.load(model)
    for changed in (whole[:-1], whole + b"\0", b"", whole[:8], whole[:header]):
        (model / "weights.safetensors").write_bytes(changed)
        with pytest.raises(ArtifactError, match=r"weights\.safetensors"):
            artifact.load(model)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"3", b"\xff", b"{" * 100_000, b'{"format": true}'])
def test_what_is_no_manifest(model, content):
    (model / "graft.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"graft.json must be .+\. Got .+\. .+\."):
        manifests.read(model)


def test_a_newer_format_says_so(model):
    told = json.loads((model / "graft.json").read_text())
    (model / "graft.json").write_text(json.dumps({**told, "format": 99}))
    with pytest.raises(ArtifactError, match="Install a newer graft-ml"):
        manifests.read(model)


@pytest.mark.parametrize("key", ["task", "backbone", "cut", "head", "temperature", "files", "preprocess", "modality"])
def test_a_manifest_that_lacks_something_says_what(reseal, key):
    with pytest.raises(ArtifactError, match=f"complete. Got no {key}"):
        artifact.load(reseal(**{key: None}))


@pytest.mark.parametrize(
    "values",
    [
        {"files": {"../weights.safetensors": "0" * 64}},
        {"files": {"/etc/hostname": "0" * 64}},
        {"files": {"absent.safetensors": "0" * 64}},
        {"task": {"name": "classification", "classes": ["one", "two"]}},
        {"task": {"name": "nonsense", "classes": ["one", "two", "three"]}},
        {"head": {"name": "nonsense", "settings": {}}},
        {"head": {"name": "linear", "settings": {"nonsense": 1}}},
        {"head_shape": [7]},
        {"modality": "nonsense"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_a_forged_manifest_is_refused_with_a_sentence(reseal, values):
    with pytest.raises(GraftError, match=" must be "):
        artifact.load(reseal(**values))


def test_a_forged_backbone_is_refused(reseal, model):
    told = manifests.read(model)["backbone"]
    for change in ({"name": "test_resnet"}, {"name": "nonsense"}, {"family": "torchvision"}, {"family": "os"}):
        with pytest.raises(GraftError):
            artifact.load(reseal(backbone={**told, **change}))


@pytest.mark.parametrize("spoil", ["missing", "too much", "another shape", "head"])
def test_forged_weights_are_refused(model, reseal, spoil):
    tensors = load_file(model / "weights.safetensors")
    name = next(one for one in tensors if one.startswith("head." if spoil == "head" else "stages.3."))
    if spoil == "missing":
        del tensors[name]
    elif spoil == "too much":
        tensors["stages.3.nonsense"] = torch.zeros(2)
    else:
        tensors[name] = torch.zeros(3, 3, 3, 3, 3)
    save_file(tensors, model / "weights.safetensors")
    reseal(files={"weights.safetensors": manifests.file_hash(model / "weights.safetensors")})
    with pytest.raises(GraftError, match=" must be "):
        artifact.load(model)


def test_pickles_are_never_opened(model, reseal, tmp_path):
    """Weights replaced by a pickle that would write a file, hash and all."""

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save(Trap(), model / "weights.safetensors")
    reseal(files={"weights.safetensors": manifests.file_hash(model / "weights.safetensors")})
    with pytest.raises(ArtifactError, match="a safetensors file"):
        artifact.load(model)
    assert not (tmp_path / "sprung").exists()


def test_the_seal_is_over_the_content_not_its_order(model):
    told = json.loads((model / "graft.json").read_text())
    (model / "graft.json").write_text(json.dumps(dict(reversed(told.items()))))
    assert manifests.read(model)["cut"] == told["cut"]
    again = manifests.seal(told)
    assert again == told
    assert manifests.seal({**told, "cut": 1})["checksum"] != told["checksum"]


@pytest.mark.parametrize("words", ["linear_probe", "nearest_mean", "partial", "full"])
def test_what_is_loaded_answers_bit_for_bit_as_what_was_fitted(photos, tmp_path, words, one_thread):
    source = photos()
    settings = {"optimisation.epochs": 1, "numerics.precision": "float32", "numerics.layout": "contiguous"}
    fitted = api.fit(
        source,
        out=tmp_path / "model",
        backbone="test_efficientnet",
        weights="random",
        runtime="torch:float32",
        strategy=words,
        augment="none",
        views=None if words in ("linear_probe", "nearest_mean") else 1,
        settings=settings if words in ("partial", "full") else {},
    )
    loaded = api.load(tmp_path / "model", runtime="torch:float32")
    assert {**loaded.manifest, "checksum": ""} == {**fitted.manifest, "checksum": ""}
    assert loaded.manifest["cut"] == {"full": 0, "partial": loaded.manifest["cut"]}.get(words, 8)
    one, other = fitted.logits(examples(source))[0], loaded.logits(examples(source))[0]
    assert one.shape == (36, 3)
    assert np.array_equal(one, other)
    saved = loaded.save(tmp_path / "again")
    assert np.array_equal(saved.logits(examples(source))[0], one)
    mine, theirs = (load_file(tmp_path / name / "weights.safetensors") for name in ("model", "again"))
    assert mine.keys() == theirs.keys()
    assert all(value.equal(theirs[name]) for name, value in mine.items())
    # The frozen part is bit for bit what it was pretrained as.
    from graft import backbones

    pretrained = backbones.tensors_of(backbones.load("test_efficientnet", weights="random"))
    frozen = [name for name in pretrained if int(name.split(".")[1]) < loaded.manifest["cut"]]
    assert all(pretrained[name].equal(mine[name]) for name in frozen)
    assert bool(frozen) == (words != "full")


@pytest.fixture
def assembled(probe):
    return artifact.load(probe.folder)


@pytest.mark.parametrize("exchanges", [True, False])
def test_the_old_folder_goes_when_the_new_one_is_there(assembled, tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(folders, "_exchange", lambda *_: False)
    out = tmp_path / "model"
    artifact.save(out, assembled)
    (out / "mine.txt").write_text("of the old one")
    artifact.save(out, assembled, extras=lambda folder: (folder / "new.txt").write_text("of the new one"))
    assert sorted(one.name for one in out.iterdir()) == [
        "doubt.safetensors",
        "graft.json",
        "new.txt",
        "weights.safetensors",
    ]
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Stop(), KeyboardInterrupt()])
def test_a_failure_half_way_leaves_the_old_model(assembled, tmp_path, error):
    out = tmp_path / "model"
    artifact.save(out, assembled)
    before = {one.name: one.read_bytes() for one in out.iterdir()}

    def fail(folder):
        (folder / "half.txt").write_text("half")
        raise error

    with pytest.raises(ArtifactError if isinstance(error, OSError) else type(error)):
        artifact.save(out, assembled, extras=fail)
    assert {one.name: one.read_bytes() for one in out.iterdir()} == before
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


def test_a_move_that_fails_brings_the_old_model_back(assembled, tmp_path, monkeypatch):
    from pathlib import Path

    out = tmp_path / "model"
    artifact.save(out, assembled)
    before = {one.name: one.read_bytes() for one in out.iterdir()}
    monkeypatch.setattr(folders, "_exchange", lambda *_: False)
    rename = Path.rename

    def fail(self, target):
        if target == out and "-old-" not in self.name:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ArtifactError, match="Input/output error"):
        artifact.save(out, assembled)
    assert {one.name: one.read_bytes() for one in out.iterdir()} == before
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


def test_where_a_model_may_be_written(assembled, tmp_path):
    artifact.check_target(tmp_path / "new" / "deep" / "model")
    (tmp_path / "empty").mkdir()
    artifact.check_target(tmp_path / "empty")
    artifact.save(tmp_path / "deep" / "er" / "model", assembled)
    artifact.check_target(tmp_path / "deep" / "er" / "model")
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "model", tmp_path / "full"):
        with pytest.raises(ArtifactError, match="--out must be"):
            artifact.check_target(place)
    assert not list(tmp_path.glob(".graft*"))


def test_hidden_leftovers_of_a_killed_fit_do_no_harm(assembled, tmp_path):
    (tmp_path / ".model-old-1").mkdir()
    artifact.save(tmp_path / "model", assembled)
    assert artifact.check(tmp_path / "model")["cut"] == 8


def test_a_manifest_without_numbers_that_json_lacks(assembled, tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        artifact.save(tmp_path / "model", replace(assembled, manifest={**assembled.manifest, "seconds": float("nan")}))
    assert not (tmp_path / "model").exists()


def test_older_formats_are_migrated_step_by_step(model, monkeypatch):
    from graft.artifact import migrations

    now = migrations.FORMAT
    monkeypatch.setattr(migrations, "FORMAT", now + 2)
    monkeypatch.setattr(manifests, "FORMAT", now + 2)
    monkeypatch.setitem(migrations.STEPS, now, lambda told: {**told, "first": True})
    monkeypatch.setitem(migrations.STEPS, now + 1, lambda told: {**told, "second": told["first"]})
    told = manifests.read(model)
    assert (told["format"], told["second"]) == (now + 2, True)


def test_what_a_killed_save_left_behind_goes_with_the_next(probe, tmp_path):
    out = tmp_path / "model"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = tmp_path / f".model-{ended.pid}-abc"
    living, other = tmp_path / f".model-{os.getpid()}-abc", tmp_path / f".model2-{ended.pid}-abc"
    for one in (dead, living, other):
        one.mkdir()
        (one / "model.safetensors").write_bytes(b"half")
    artifact.save(out, artifact.load(probe.folder))
    assert not dead.exists()
    assert living.exists() and other.exists()


@pytest.mark.parametrize("windows", [1, 2])
def test_a_pooling_that_was_added_for_the_head_is_there_again(tmp_path, one_thread, windows):
    """SqueezeNet never makes a vector: a fit puts a mean over its last map, and a load must too."""
    backbone = backbones.load("squeezenet1_1", weights="random")
    backbone = backbone.given(Audio(size=backbone.preprocess.shape[1:], windows=windows)).ending_in("vector")
    assert backbone.stages[-1].name == "pool"
    head, task = Linear(), Classification(classes=("a", "b"))
    (width,) = backbone.stages[-1].shape
    told = {**artifact.describe(backbone, backbone.n_stages, head, task), "head_shape": [width], "temperature": 1.0}
    model = artifact.Assembled(backbone, head.build((width,), 2), task, told)
    folders.save(tmp_path / "model", model)
    again = artifact.load(tmp_path / "model")
    assert [(one.name, one.shape) for one in again.backbone.stages] == [(s.name, s.shape) for s in backbone.stages]
    x = torch.zeros(1, *backbone.preprocess.shape, dtype=torch.uint8)
    with torch.no_grad():
        found, wanted = (one.prefix(one.n_stages)(x) for one in (again.backbone, backbone))
        assert again.head(found).shape == (1, 2)
    assert torch.equal(found, wanted)


def test_a_model_of_format_1_is_read_unless_it_joined_features():
    from graft.artifact.migrations import migrate

    assert migrate({"format": 1, "joined": False})["beside"] == {"features": []}
    with pytest.raises(ArtifactError, match="Got a joined probe of format 1"):
        migrate({"format": 1, "joined": True})
