"""Which runtime was chosen is measured once and remembered; what cannot be used of it is measured again."""

import json

import pytest

pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("openvino", reason="openvino is not installed")

from nets import colour_net

from graft.places import cache_folder
from graft.serving.http import choices, runners
from graft.serving.http.exported import opened


@pytest.fixture
def exported(tmp_path, monkeypatch):
    monkeypatch.setattr(runners, "MEASURED", 0.01)
    return opened(colour_net(tmp_path / "net.onnx"))


def test_a_later_start_loads_only_what_was_chosen(exported, monkeypatch):
    first, why = runners.choose(exported)
    assert "earlier" not in why
    made = []
    monkeypatch.setattr(runners, "_measured", lambda *_: made.append("measured"))
    again, told = runners.choose(exported)
    assert told == f"{why} (measured at an earlier start)"
    assert (again.name, again.batch) == (first.name, first.batch)
    assert not made


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"runtime": "x", "precision": "float32", "batch": 1, "why": ""}'])
def test_what_is_remembered_wrongly_is_measured_again(exported, content):
    runners.choose(exported)
    (file,) = (cache_folder() / "serve" / "choices").glob("*.json")
    good = json.loads(file.read_text())
    file.write_text(content)
    assert choices.remembered(exported.version, "auto") is None
    assert "earlier" not in runners.choose(exported)[1]
    assert json.loads(file.read_text())["runtime"] in ("openvino", "onnxruntime")
    file.write_text(json.dumps({**good, "batch": 10**9}))
    assert choices.remembered(exported.version, "auto") is None


def test_another_network_and_another_wish_are_measured_by_themselves(exported, tmp_path):
    runners.choose(exported)
    assert choices.remembered(exported.version, "auto") is not None
    assert choices.remembered(exported.version, "openvino") is None
    assert choices.remembered("0" * 16, "auto") is None


def test_without_a_place_to_write_it_is_measured_at_every_start(exported, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "file" / "below"))
    assert "earlier" not in runners.choose(exported)[1]
    assert "earlier" not in runners.choose(exported)[1]
