"""What every exporter promises of every family of backbones: the model's answers, for any number of inputs."""

import json

import numpy as np
import pytest
import torch

from export_cases import CASES, assembled
from graft import backbones, exporters
from graft.errors import SettingError
from graft.exporters._network import network

REFUSED = {"elmo": "one by one"}
"""Networks that no format holds, and the words in which that is said."""
BRIEF = ("timm", "torchvision", "text-bert", "sound-wav2vec2", "word2vec", "awd_lstm", "wavenet", "frames")
"""Of torch_export, on which the way to ONNX is built, one network of each family is tested."""
PADDED = {"torch_export": {"awd_lstm"}}
"""Networks that a format holds for inputs of one length only."""


@pytest.fixture(params=exporters.REGISTRY.names())
def format(request):
    kind = exporters.REGISTRY.get(request.param)
    if absent := kind.missing():
        pytest.skip(f"{absent} is not installed")
    return request.param


pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_family_is_tested():
    families = set(backbones.REGISTRY.names())
    assert {case.family for case in CASES.values()} == families
    assert {CASES[name].family for name in (*BRIEF, *REFUSED)} == families


@pytest.mark.filterwarnings("ignore")  # the libraries' own, on the way through torch.export
@pytest.mark.parametrize("name", [name for name in CASES if name not in REFUSED])
def test_the_file_gives_what_the_model_gives(name, format, tmp_path):
    case = CASES[name]
    if format == "torch_export" and name not in BRIEF:
        pytest.skip("ONNX is made by way of torch.export")
    model = assembled(case, tmp_path)
    said = []
    listener = exporters._export.Listener(say=said.append)
    found = exporters.export(model, tmp_path / "out", format=format, listener=listener)
    exporter = exporters.REGISTRY.create(format)
    assert found.file == tmp_path / "out" / f"model{exporter.suffix}"
    assert [one.name for one in found.file.parent.iterdir()] == [found.file.name]
    assert found.parity.n == 16 and found.parity.good and "noise" in found.parity.inputs
    opened = exporter.open(found.file)
    told = json.loads(opened.metadata)
    assert told == json.loads(json.dumps(found.metadata))
    padded = case.lengths and name in PADDED.get(format, ())
    assert (told["inputs"][0]["shape"][0] is None) == (case.lengths and not padded)
    assert bool(said) == padded
    if "windows" in name and case.lengths and not padded:
        assert told["inputs"][0]["shape"][:2] == [None, None]
    # Inputs that were not part of the comparison, five of them: two were traced and sixteen compared.
    preprocess = model.backbone.preprocess
    inputs = np.stack([preprocess.fit(preprocess.noise(900 + row)) for row in range(5)])
    whole = network(model)
    with torch.no_grad():
        wanted = [one.numpy() for one in whole.module(torch.from_numpy(inputs))]
    answers = opened.run({"input": inputs})
    for key, one in zip(("logits", "features"), wanted, strict=True):
        assert answers[key].dtype == np.float32
        np.testing.assert_allclose(answers[key], one, atol=1e-4 * np.abs(one).max())
    assert wanted[0].shape == (5, 3) and wanted[1].ndim == 2
    assert np.abs(wanted[1][0] - wanted[1][1]).max() > 1e-4 * np.abs(wanted[1]).max(), "two inputs differ"


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_held_is_one_sentence_and_leaves_nothing(name, format, tmp_path):
    model = assembled(CASES[name], tmp_path)
    with pytest.raises(
        SettingError, match=rf"must be one that {format} can hold\. Got {name} \(.*{REFUSED[name]}.*\)\. "
    ):
        exporters.export(model, tmp_path / "out" / "model", format=format)
    assert not any((tmp_path / "out").rglob("*.*"))
