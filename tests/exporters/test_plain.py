"""An exported file in other hands: the ten lines of the docs without Graft or torch, Triton, further columns."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graft as package
import quick_fit
from graft import data, exporters
from graft.exporters import _triton
from graft.types import Example

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")
PAGE = Path(__file__).parents[2] / "docs" / "export.md"
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("graft", "torch", "torchvision"):
            raise ImportError(f"{name} is not to be imported")
sys.meta_path.insert(0, Blocked())
"""


def ten_lines() -> str:
    section = PAGE.read_text("utf-8").partition("## Ten lines without Graft")[2]
    return str(re.search(r"```python\n(.*?)```", section, re.S)[1])


def alone(lines: str, home: Path) -> subprocess.CompletedProcess:
    """Run lines of Python in a process of its own in which neither Graft nor torch can be imported."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + lines], cwd=home, capture_output=True, text=True, timeout=120, check=False
    )


def test_ten_lines_answer_without_graft_or_torch(probe, tmp_path):
    package.export(probe.folder, tmp_path / "model.onnx")
    lines = ten_lines()
    assert len([line for line in lines.splitlines() if line]) == 10
    model = package.load(probe.folder, runtime="torch:float32")
    for photo in sorted(probe.photos.rglob("*.jpg"))[::6]:
        (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
        ran = alone(lines, tmp_path)
        assert ran.returncode == 0, ran.stderr
        label, probability = ran.stdout.split()
        (wanted,) = model.predict([photo])
        assert label == wanted.label
        assert abs(float(probability) - wanted.probability) < 0.02


@pytest.mark.parametrize("name", ["graft", "torch"])
def test_the_block_is_one(name, tmp_path):
    assert "is not to be imported" in alone(f"import {name}", tmp_path).stderr


def model_config():
    """Return the message of Triton's ``model_config.proto``, of which these are the fields that are written."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="triton.proto", package="inference", syntax="proto3")
    # TYPE_STRING and those between are left out: what is not written must not be read.
    types = file.enum_type.add(name="DataType")
    for key, number in (("TYPE_INVALID", 0), ("TYPE_UINT8", 2), ("TYPE_INT32", 8), ("TYPE_FP32", 11)):
        types.value.add(name=key, number=number)

    def message(name, *fields):
        made = file.message_type.add(name=name)
        for field, number, kind, repeated, of in fields:
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            made.field.add(name=field, number=number, type=kind, label=label, type_name=of)

    dims = ("dims", 3, kinds.TYPE_INT64, True, None)
    name = ("name", 1, kinds.TYPE_STRING, False, None)
    kind = ("data_type", 2, kinds.TYPE_ENUM, False, ".inference.DataType")
    message("ModelInput", name, kind, ("dims", 4, kinds.TYPE_INT64, True, None))
    message("ModelOutput", name, kind, dims, ("label_filename", 4, kinds.TYPE_STRING, False, None))
    message("ModelDynamicBatching", ("max_queue_delay_microseconds", 2, kinds.TYPE_UINT64, False, None))
    message(
        "ModelConfig",
        name,
        ("max_batch_size", 4, kinds.TYPE_INT32, False, None),
        ("input", 5, kinds.TYPE_MESSAGE, True, ".inference.ModelInput"),
        ("output", 6, kinds.TYPE_MESSAGE, True, ".inference.ModelOutput"),
        ("dynamic_batching", 11, kinds.TYPE_MESSAGE, False, ".inference.ModelDynamicBatching"),
        ("backend", 17, kinds.TYPE_STRING, False, None),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))()


def parsed(text):
    from google.protobuf import text_format

    return text_format.Parse(text, model_config())


def test_a_repository_of_triton(probe, tmp_path, graft):
    ran = graft("export", probe.folder, "--out", tmp_path / "repository", "--triton", "photos", "--json").json
    home = tmp_path / "repository" / "photos"
    assert ran["file"] == str(home / "1" / "model.onnx")
    names = {str(one.relative_to(home)) for one in home.rglob("*") if one.is_file()}
    assert names == {"config.pbtxt", "labels.txt", "1/model.onnx", "1/model.doubt.safetensors"}
    assert [one.name for one in home.parent.iterdir()] == ["photos"]
    assert (home / "labels.txt").read_text().split() == ["class0", "class1", "class2"]
    config = parsed((home / "config.pbtxt").read_text())
    assert (config.name, config.backend, config.max_batch_size) == ("photos", "onnxruntime", 32)
    assert config.dynamic_batching.max_queue_delay_microseconds == 1000
    # What Triton would compare it with: the file's own inputs and outputs, without the axis of the batch.
    import onnxruntime

    session = onnxruntime.InferenceSession(home / "1" / "model.onnx")
    numbers = {"tensor(uint8)": 2, "tensor(int32)": 8, "tensor(float)": 11}
    for told, real in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        assert [one.name for one in told] == [one.name for one in real]
        for one, other in zip(told, real, strict=True):
            assert one.data_type == numbers[other.type]
            assert isinstance(other.shape[0], str), "any number of inputs"
            fits = [dim in (-1, size) for dim, size in zip(one.dims, other.shape[1:], strict=True)]
            assert all(fits)
    assert config.output[0].label_filename == "labels.txt"
    again = graft("export", probe.folder, "--out", tmp_path / "repository", "--triton", "photos")
    assert "a name that is free" in again.complaint
    assert graft("export", probe.folder, "--out", tmp_path / "repository", "--triton", "photos", "--force").code == 0


def test_any_length_and_no_classes_in_a_configuration():
    told = {
        "inputs": [
            {"name": "input", "dtype": "int32", "shape": [None]},
            {"name": "beside", "dtype": "float32", "shape": [4]},
        ],
        "outputs": ["logits", "features"],
        "features": "features",
        "task": {"classes": [], "outputs": 1},
    }
    config = parsed(_triton.config('a"b', told))
    assert config.name == 'a"b'
    assert [list(one.dims) for one in config.input] == [[-1], [4]]
    assert config.output[0].label_filename == ""


def test_a_name_on_two_lines_stays_on_one(tmp_path):
    task = {"classes": ["two\nlines", "猫"], "outputs": 2}
    inputs = [{"name": "input", "dtype": "uint8", "shape": [3, 8, 8]}]
    _triton.write(tmp_path, "m", {"task": task, "inputs": inputs, "outputs": ["logits"], "features": "features"})
    assert (tmp_path / "labels.txt").read_text("utf-8") == "two lines\n猫\n"


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    """A model of photos with a price and their colours beside the network."""
    home = tmp_path_factory.mktemp("fused")
    photos = quick_fit.make_photos(home / "photos", each=24)
    draw = np.random.default_rng(0)
    with (home / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "price"])
        # The colours tell nothing of the label, so that the price is worth having.
        for number, one in enumerate(sorted(photos.rglob("*.*"))):
            writer.writerow([one.relative_to(home), "abc"[number % 3], f"{draw.normal(number % 3, 0.3):.3f}"])
    words = ("--label", "label", "--input", "path", "--with", "price,colour", *quick_fit.PROBE)
    return quick_fit.fit_table(home, home / "table.csv", *words)


def test_what_stands_beside_the_network_is_a_second_input(fused, tmp_path, one_thread):
    model = package.load(fused.folder, runtime="torch:float32")
    found = model.export(tmp_path / "model.onnx")
    beside = model.assembled.beside
    assert found.parity.inputs == f"inputs of {fused.photos}"
    assert found.metadata["inputs"][1] == {"name": "beside", "dtype": "float32", "shape": [beside.width]}
    assert [one["name"] for one in found.metadata["beside"]] == ["price", "colour"]
    json.dumps(found.metadata)
    examples = data.find_inputs([fused.photos], "image", kept_columns=("price",))[:4]
    preprocess = model.assembled.backbone.preprocess
    arrays = {"input": [], "beside": []}
    for one in examples:
        assert isinstance(one, Example)
        decoded = preprocess.decode(one.read())
        fitted = preprocess.fit(decoded)
        arrays["input"].append(fitted)
        arrays["beside"].append(beside.of(preprocess, one, decoded, fitted))
    opened = exporters.REGISTRY.create("onnx").open(found.file)
    answers = opened.run({name: np.stack(rows) for name, rows in arrays.items()})
    wanted, failed = model.logits(examples)
    assert not failed
    np.testing.assert_allclose(answers["logits"], wanted, atol=1e-4 * np.abs(wanted).max())
    assert answers["features"].shape == (4, 256 + beside.width)
    other = opened.run({name: np.stack(rows) * (name == "input") for name, rows in arrays.items()} | {})
    assert np.abs(other["logits"] - wanted).max() > 1e-3, "what stands beside has a say"
