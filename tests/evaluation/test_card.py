"""The model card: reads back with the Hub's own reader, tells every metric with n and interval, asks no network."""

import socket
from dataclasses import replace

import pytest
import yaml
from huggingface_hub import ModelCard

from graft.evaluation.card import model_card


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_it_reads_back_with_the_reader_of_the_hub(report, no_network):
    text = model_card(report)
    card = ModelCard(text)
    assert str(card) == text
    assert card.data.license == "apache-2.0"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.base_model == "timm/tf_efficientnet_lite0.in1k"
    assert card.data.library_name == "graft"
    found = {one.metric_name: one for one in card.data.eval_results}
    accuracy = report.evaluation["accuracy"]
    assert found["Accuracy"].metric_value == pytest.approx(accuracy.value, abs=1e-6)
    assert found["Accuracy"].metric_args["n"] == accuracy.n
    assert found["Accuracy"].metric_args["low"] == pytest.approx(accuracy.low, abs=1e-6)
    assert len(found) == len(report.evaluation.metrics)


def test_the_text_says_what_a_person_needs(report):
    text = model_card(report)
    accuracy = report.evaluation["accuracy"]
    assert f"| Accuracy | {accuracy.value:.4f} | {accuracy.low:.4f} to {accuracy.high:.4f} | 200 |" in text
    for needed in (report.data_fingerprint, report.evaluation.fingerprint, "## Intended use and limits", "graft.load"):
        assert needed in text


def test_hostile_names_stay_text(hostile_report):
    text = model_card(hostile_report)
    card = ModelCard(text)
    assert str(card) == text
    assert "<img" not in card.text.replace("\\<img", "")
    assert "\u202e" not in text
    assert "\x00" not in text


@pytest.mark.parametrize(
    ("licence", "key", "name"), [("unknown", "unknown", None), ("Timm Custom", "other", "timm-custom")]
)
def test_licences_the_hub_does_not_know(report, licence, key, name):
    data = yaml.safe_load(model_card(_with(report, weights_licence=licence)).split("---")[1])
    assert data["license"] == key
    assert data.get("license_name") == name


def test_a_backbone_that_is_not_on_the_hub_names_no_base(report):
    data = yaml.safe_load(model_card(_with(report, hub_id=None)).split("---")[1])
    assert "base_model" not in data


def test_a_title_that_ends_metadata_cannot(report):
    card = ModelCard(model_card(replace(report, title="a\n---\nlicense: mit")))
    assert card.data.license == "apache-2.0"


def _with(report, **changes):
    return replace(report, model=replace(report.model, **changes))
