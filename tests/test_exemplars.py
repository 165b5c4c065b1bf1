"""Training examples that a model keeps: what is written, found again, exported, and left out by a compression."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import graft as library
from graft import exemplars
from graft.errors import ArtifactError
from graft.exemplars import Exemplars
from graft.selection.keeping import chosen
from quick_fit import PROBE, fit_table, make_photos, run_graft


@pytest.fixture(scope="module")
def keeping(tmp_path_factory):
    """Return a probe that keeps ten of its training photos."""
    home = tmp_path_factory.mktemp("keeping")
    return fit_table(home, make_photos(home / "photos"), *PROBE, "--keep-examples", "10")


def few():
    draw = np.random.default_rng(0)
    return Exemplars.of(draw.normal(size=(3, 8)), ["a", "b", "c"], [b"RIFFx", b"", b"x" * 20_000], ["", "t" * 500, ""])


def test_what_is_written_is_read_again_and_small(tmp_path):
    file = exemplars.write(tmp_path / exemplars.NAME, few())
    found = exemplars.read(file)
    assert (found.labels, found.pictures) == (("a", "b", "c"), (b"RIFFx", b"", b""))
    assert len(found.texts[1]) == exemplars.LETTERS
    assert found.vectors.dtype == np.float16
    assert np.allclose(np.linalg.norm(found.vectors.astype(float), axis=1), 1, atol=2e-3)
    assert exemplars.told(found) == {"n": 3, "thumbnails": 1, "excerpts": 1}


def test_the_nearest_come_first_and_what_stands_behind_the_features_is_passed_over():
    kept = few()
    query = np.concatenate([7 * kept.vectors[1].astype(np.float32), [100.0, -100.0]])
    first, second = kept.nearest(query, 2)
    assert (first["label"], first["excerpt"][:3]) == ("b", "ttt")
    assert first["cosine"] == pytest.approx(1, abs=1e-3)
    assert second["cosine"] < first["cosine"]
    assert "thumbnail" not in first
    assert len(kept.nearest(query, 10)) == 3
    assert kept.nearest(np.zeros(8, np.float32), 1)[0]["cosine"] == 0


@pytest.mark.parametrize("part", ["labels", "texts", "ends", "format", "nothing"])
def test_a_file_that_is_not_whole_is_refused(tmp_path, part):
    from safetensors.numpy import save_file

    plain = {"format": 1, "labels": ["a"], "texts": [""]}
    arrays = {"vectors": np.ones((1, 2), np.float16), "pictures": np.zeros(0, np.uint8), "ends": np.zeros(1, np.int64)}
    plain.pop(part, None)
    arrays.pop(part, None)
    file = tmp_path / exemplars.NAME
    save_file(arrays, file, {"exemplars": json.dumps(plain)})
    if part == "nothing":
        assert exemplars.read(file).labels == ("a",)
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ArtifactError):
        exemplars.read(file)


def test_a_rare_class_has_its_examples_too():
    labels = ["often"] * 100 + ["rare"] * 3
    places = chosen(labels, 8, 0)
    assert [labels[one] for one in places].count("rare") == 3
    assert len(set(places.tolist())) == len(places) == 8
    assert chosen(labels, 200, 0).tolist() == list(range(103))
    assert chosen(labels, 8, 1).tolist() != places.tolist()


def test_a_fit_keeps_none_unless_asked_and_says_so_when_it_does(keeping, probe):
    manifest = json.loads((keeping.folder / "graft.json").read_text())
    assert manifest["exemplars"] == {"n": 10, "thumbnails": 10, "excerpts": 0}
    assert exemplars.NAME in manifest["files"]
    assert any("keeps 10 training examples" in one for one in keeping.ran.json["sentences"])
    content = (keeping.folder / exemplars.NAME).read_bytes()
    assert len(content) < 60_000
    assert str(keeping.photos).encode() not in content
    assert b"000.png" not in content
    plain = json.loads((probe.folder / "graft.json").read_text())
    assert plain["exemplars"] is None
    assert not (probe.folder / exemplars.NAME).exists()


def test_they_are_training_examples_as_the_network_sees_them(keeping):
    model = library.load(keeping.folder)
    kept = model.assembled.exemplars
    assert {kept.labels.count(one) for one in set(kept.labels)} == {3, 4}
    picture = Image.open(io.BytesIO(kept.pictures[0]))
    assert (picture.format, max(picture.size)) == ("WEBP", 48)
    vectors = exemplars.unit(model.embed(sorted(keeping.photos.rglob("*.*"))))
    cosines = kept.vectors.astype(np.float32) @ vectors.T
    assert np.allclose(cosines.max(axis=1), 1, atol=0.002)


def test_an_export_takes_them_along_and_a_compression_does_not(keeping, tmp_path):
    library.export(keeping.folder, tmp_path / "net.onnx")
    beside = tmp_path / f"net.{exemplars.NAME}"
    assert beside.read_bytes() == (keeping.folder / exemplars.NAME).read_bytes()
    run_graft("compress", keeping.folder, "--out", tmp_path / "half", "--method", "half", "--data", keeping.photos)
    assert (tmp_path / "half" / "graft.json").is_file()
    assert library.load(tmp_path / "half").assembled.exemplars is None


def test_too_many_are_refused(tmp_path):
    said = run_graft("fit", make_photos(tmp_path / "photos"), "--out", tmp_path / "m", "--keep-examples", "5000")
    assert "keep_examples must be less than or equal to 2000" in said.complaint


def test_a_changed_file_is_noticed(keeping, tmp_path):
    folder = shutil.copytree(keeping.folder, tmp_path / "model")
    file = folder / exemplars.NAME
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match=exemplars.NAME):
        library.load(folder)
