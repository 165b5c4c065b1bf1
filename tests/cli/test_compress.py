"""``graft compress`` and ``graft bench`` from end to end, what they refuse, and what is never written."""

import copy
import dataclasses
import shutil

import pytest

import quick_fit
from graft.artifact import manifest as manifests
from graft.compression import Compressed
from graft.compression.half import Half
from graft.contract import speed


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Time each form for a moment only."""
    monkeypatch.setattr(speed, "SECONDS", 0.01)


@pytest.fixture(scope="module")
def half(probe, tmp_path_factory):
    out = tmp_path_factory.mktemp("half") / "half"
    with quick_fit.one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "SECONDS", 0.01)
        patch.setenv("GRAFT_CACHE", str(out.parent / "cache"))
        return quick_fit.run_graft("compress", probe.folder, "--method", "half", "--out", out, "--json"), out


def test_half_is_half_the_size_and_every_command_takes_it(graft, probe, half):
    ran, out = half
    told = ran.json
    # Of so small a network, what it doubts by is a large part, and stays as it is.
    doubts = (out / "doubt.safetensors").stat().st_size
    sizes = [told["contract"][side]["bytes"] - doubts for side in ("before", "after")]
    assert 0.45 < sizes[1] / sizes[0] < 0.6
    assert told["contract"]["holds"]
    photo = next(probe.photos.rglob("*.png"))
    assert graft("predict", out, photo, "--json").json["predictions"][0]["label"] == photo.parent.name
    assert graft("evaluate", out, probe.photos, "--json").json["test"]["accuracy"]["n"] == 36
    assert "half, +0.00 points" in graft("show", out).out
    assert "## half" in (out / "README.md").read_text("utf-8")


def test_methods_combine_each_a_step(graft, half, tmp_path):
    _, out = half
    both = tmp_path / "both"
    ran = graft(
        *("compress", out, "--method", "binary", "--out", both, "--force", "--json"),
        *("--set", "epochs=1"),
    )
    assert ran.json["made"]["weights"]["binary"] > 0
    steps = graft("show", both, "--json").json["steps"]
    assert [one.get("method", one["step"]) for one in steps] == ["fit", "half", "binary"]
    assert ran.json["contract"]["after"]["bytes"] < ran.json["contract"]["before"]["bytes"]


def test_int8_answers_from_a_file_and_cannot_be_compressed_further(graft, probe, tmp_path):
    out = tmp_path / "int8"
    words = ("compress", probe.folder, "--method", "int8", "--out", out, "--force", "--set", "inputs=8")
    told = graft(*words, "--set", "tolerance=1000000", "--json").json
    assert told["made"]["form"] == "static"
    assert told["contract"]["after"]["runtime"].startswith("openvino:")
    exported = graft("export", out, "--out", tmp_path / "int8.onnx", "--json").json
    assert exported["bytes"] < 1.3 * (out / "network.onnx").stat().st_size
    assert exported["parity"]["logits"] < 1e-5
    said = graft("export", out, "--format", "torch_export", "--out", tmp_path / "int8.pt2").complaint
    assert "that torch_export can hold. Got test_efficientnet (after int8 it is an ONNX file itself)" in said
    assert set(graft("show", out, "--json").json["files"]) == {
        "doubt.safetensors",
        "network.onnx",
        "weights.safetensors",
    }
    said = graft("compress", out, "--method", "half", "--out", tmp_path / "no").complaint
    assert "must be in float to be compressed further" in said
    said = graft("predict", out, next(probe.photos.rglob("*.png")), "--runtime", "torch").complaint
    assert "what runs a quantised network must be openvino or onnxruntime" in said
    changed = bytearray((out / "network.onnx").read_bytes())
    changed[len(changed) // 2] ^= 1
    (out / "network.onnx").write_bytes(changed)
    assert "network.onnx must be unchanged" in graft("predict", out, probe.photos).complaint


def test_int8_leaves_the_layers_that_were_asked_for_in_float_and_lists_them(graft, probe, tmp_path):
    words = ("compress", probe.folder, "--method", "int8", "--out", tmp_path / "some", "--force", "--set", "inputs=4")
    made = graft(*words, "--set", "checked=4", "--set", "tolerance=1000000", "--set", "float_layers=2", "--json").json
    left = made["made"]["left_in_float"]
    assert len(left) == 2
    assert all(one.endswith("weight") for one in left)
    assert "2 layers left in float" in " ".join(graft("show", tmp_path / "some").out.split())


def test_beyond_max_drop_nothing_is_written_but_by_force(graft, probe, tmp_path, monkeypatch):
    def spoil(self, material):
        head = copy.deepcopy(material.model.head)
        for one in head.parameters():
            one.neg_()
        return Compressed(model=dataclasses.replace(material.model, head=head))

    monkeypatch.setattr(Half, "apply", spoil)
    out = tmp_path / "lossy"
    words = ("compress", probe.folder, "--method", "half", "--out", out)
    ran = graft(*words)
    assert "The points that half loses must be at most 1. Got " in ran.complaint
    assert "locked items" in ran.complaint
    assert list(tmp_path.iterdir()) == []
    forced = graft(*words, "--force", "--json").json
    assert forced["contract"]["holds"] is False
    assert forced["contract"]["drop_points"] > 1
    assert "broken, written by --force" in graft(*words, "--force").out
    assert graft(*words, "--max-drop", "100", "--json").json["contract"]["holds"] is True


@pytest.fixture
def moved(probe, tmp_path):
    """Return a model whose data no longer lie where they lay, and where they are now."""
    model, photos = tmp_path / "model", tmp_path / "photos"
    shutil.copytree(probe.folder, model)
    shutil.copytree(probe.photos, photos)
    told = manifests.read(model)
    told["data"]["source"] = str(tmp_path / "gone")
    manifests.write(model, told)
    return model, photos


def test_data_that_are_gone_are_asked_for_and_may_lie_elsewhere(graft, moved, tmp_path):
    model, photos = moved
    words = ("compress", model, "--method", "half", "--out", tmp_path / "out")
    assert "--data where they lie now" in graft(*words).complaint
    assert graft(*words, "--data", photos, "--json").json["contract"]["holds"]


def test_data_that_have_changed_are_refused(graft, moved, tmp_path):
    model, photos = moved
    for file in list(photos.rglob("*.png"))[:12]:
        file.unlink()
    said = graft("compress", model, "--method", "half", "--out", tmp_path / "out", "--data", photos).complaint
    assert "The locked test items must be" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "zip"), "compression must be a known name"),
        (("--method", "half", "--set", "dtype=int4"), "half: dtype must be 'float16' or 'bfloat16'"),
        (("--method", "int8", "--set", "inputs=0"), "int8: inputs must be at least 1"),
        (("--method", "binary", "--set", "epochs=0"), "binary: epochs must be at least 1"),
        (("--method", "binary", "--set", "from_stage=99"), "from_stage must be from 1 to"),
        (("--method", "binary", "--set", "from_stage=nowhere"), "cut must be a stage of"),
    ],
)
def test_wrong_words_are_one_clear_sentence(graft, probe, tmp_path, words, said):
    ran = graft("compress", probe.folder, *words, "--out", tmp_path / "out")
    assert said in ran.complaint
    assert not (tmp_path / "out").exists()


def test_bench_measures_every_form_side_by_side(graft, probe, half):
    _, out = half
    told = graft("bench", probe.folder, out, "--json").json
    by = {(one["model"], one["runtime"]): one for one in told["forms"]}
    assert (str(probe.folder), "torch:float32") in by
    assert (str(out), "openvino:float32") in by
    for one in told["forms"]:
        assert one["p50_ms"]["low"] <= one["p50_ms"]["value"] <= one["p95_ms"]["value"]
        assert one["throughput"]["n"] > 1
        assert one["score"]["n"] == probe.ran.json["test"]["accuracy"]["n"]
    assert told["test_fingerprint"]
    most = max(told["forms"], key=lambda one: one["throughput"]["value"])
    assert f"{most['model']} by {most['runtime']} for many inputs" in told["fastest"]


def test_bench_without_the_data_leaves_the_scores_out(graft, moved):
    model, _ = moved
    told = graft("bench", model, "--json").json
    assert all(one["score"] is None for one in told["forms"])
    assert any("Scores are left out" in note for note in told["notes"])
    assert "Scores are left out" in graft("bench", model).out
