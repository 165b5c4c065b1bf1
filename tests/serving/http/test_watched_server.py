"""What a server remembers: drift and its statistics, inputs kept for labelling where asked, and where it looked."""

import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

from nets import KEY, colour_net, doubtful, letter_net, picture, running, spotted

from graft.data import collecting
from graft.doubt import kept
from graft.errors import ArtifactError, DataError, SettingError
from graft.serving import asking, drift
from graft.serving.http import onnx_head
from graft.serving.http.explain import hidden_places, spread
from graft.serving.http.keeping import Flagged, Keeping
from graft.serving.http.prepare import Source

PNG = {"content-type": "image/png"}
PINK = (250, 120, 190)


def answered(client, colour):
    (found,) = client.post("/predict", content=picture(colour), headers=PNG).json()["predictions"]
    return found


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def net(tmp_path):
    return colour_net(tmp_path / "net.onnx", doubts=True)


def test_what_is_strange_is_not_accepted_and_drift_is_told(net):
    with running({"net": net}) as (client, house):
        house.models["net"].watching.rolling = drift.Rolling(house.models["net"].watching.rolling.doubt, size=40)
        assert client.get("/models").json()["models"][0]["abstains"] is True
        assert answered(client, "red")["accepted"] is True
        strange = answered(client, PINK)
        assert (strange["accepted"], strange["reason"]) == (False, "unlike the training data")
        told = client.get("/drift").json()["models"]["net"]
        assert (told["inputs"], told["looks"], told["last"]) == (2, 0, None)
        for _ in range(38):
            answered(client, PINK)
        assert until(lambda: client.get("/drift").json()["models"]["net"]["looks"] == 1)
        told = client.get("/drift").json()["models"]["net"]
        assert told["alarms"] == 1
        assert told["last"]["alarm"] is True
        assert told["last"]["n"] == 40


def test_statistics_are_read_by_watch_from_the_server(net, monkeypatch):
    doubt = kept.read(net.with_name("net.doubt.safetensors"))
    with running({"letters": letter_net(net.with_name("letters.onnx")), "net": net}) as (client, _):
        for number in range(30):
            client.post("/predict?model=net", content=picture(("red", "green", "blue")[number % 3]), headers=PNG)
        address = str(client.base_url)
        monkeypatch.delenv(asking.KEY, raising=False)
        with pytest.raises(DataError, match="Set GRAFT_KEY"):
            asking.statistics(address, doubt)
        monkeypatch.setenv(asking.KEY, KEY)
        content = asking.statistics(address, doubt)
        look = drift.of_bytes(content, address, doubt)
        assert (look.n, look.alarm, look.accepted) == (30, False, 1.0)
        assert client.get("/models/letters/drift").status_code == 404
        other = colour_net(net.with_name("other.onnx"), doubts=False)
        assert other.exists()
        changed = kept.read(net.with_name("net.doubt.safetensors"))
        changed.reference.values[0] += 1
        with pytest.raises(DataError, match="of others"):
            asking.statistics(address, changed)
    with pytest.raises(DataError, match="Start it first"):
        asking.statistics(address, doubt)


def test_nothing_is_kept_unless_a_folder_is_named(net, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    with running({"net": net}) as (client, _):
        answered(client, PINK)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_was_not_accepted_is_kept_for_labelling(net, tmp_path):
    home = tmp_path / "kept"
    with running({"net": net}, keep=home) as (client, _):
        for colour in ("red", PINK, PINK, (120, 190, 250)):
            answered(client, colour)
    with (home / "net" / "to_label.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["path", "label", "said", "probability", "unlike", "reason"]
    assert [one["reason"] for one in rows] == ["unlike the training data"] * 2
    assert [one[collecting.LABEL] for one in rows] == ["", ""]
    for one, colour in zip(rows, (PINK, (120, 190, 250)), strict=True):
        assert Path(one["path"]).read_bytes() == picture(colour)
    assert (home / "net").stat().st_mode & 0o077 == 0


def test_words_are_kept_in_the_table_and_only_so_many(tmp_path):
    one = Keeping(tmp_path / "kept", 3)
    for number in range(8):
        one.keep(Flagged("m", f"text {number}, with a comma".encode(), "", ("a", "0.1", "1", "unsure")))
    one.close()
    again = Keeping(tmp_path / "kept", 3)
    again.keep(Flagged("m", b"one more", "", ("a", "0.1", "1", "unsure")))
    again.close()
    with (tmp_path / "kept" / "m" / "to_label.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert [row[0] for row in rows] == ["text", *(f"text {number}, with a comma" for number in range(3))]
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="--keep must be a folder that can be written"):
        Keeping(tmp_path / "file" / "below", 3)


def test_doubts_of_another_network_are_refused(net, tmp_path):
    import onnx

    file = colour_net(tmp_path / "wide" / "net.onnx")
    told = json.loads(onnx_head.read(file).metadata["graft"])
    told["files"] = {kept.NAME: doubtful(file, np.random.default_rng(0).normal(size=(60, 7)).astype(np.float32))}
    model = onnx.load(file)
    model.metadata_props[0].value = json.dumps(told)
    onnx.save(model, file)
    with pytest.raises(ArtifactError, match="for 3 features"), running({"net": file}):
        pass


def test_doubts_that_were_changed_are_refused(net):
    told = json.loads(onnx_head.read(net).metadata["graft"])
    doubts = net.with_name("net.doubt.safetensors")
    assert Source("net", net).doubt(told) is not None
    assert Source("net", net).doubt({}) is None
    content = bytearray(doubts.read_bytes())
    content[-1] ^= 1
    doubts.write_bytes(content)
    with pytest.raises(ArtifactError, match="sha-256"):
        Source("net", net).doubt(told)
    doubts.unlink()
    with pytest.raises(ArtifactError, match="whole"):
        Source("net", net).doubt(told)


def test_the_place_that_an_answer_hangs_on_is_found(net):
    with running({"net": net}) as (client, house):
        answer = client.post("/predict", content=spotted(), headers=PNG).json()["predictions"][0]
        why = client.post("/explain", content=spotted(), headers=PNG).json()
        assert why["label"] == answer["label"]
        assert client.get("/drift").json()["models"]["net"]["inputs"] == 1, "an explanation counts as inputs"
        assert house.room.taken == 0
    weights = np.array(why["weights"])
    assert weights.shape == (8, 8)
    assert why["seen"].startswith("data:image/jpeg;base64,")
    assert answer["label"] == "blue"
    row, column = np.unravel_index(weights.argmax(), weights.shape)
    assert row >= 4
    assert column >= 4


def test_the_word_that_an_answer_hangs_on_is_found(tmp_path):
    with running({"letters": letter_net(tmp_path / "letters.onnx")}) as (client, _):
        why = client.post("/explain", json={"text": "zzzz AA zzz"}).json()
        assert (why["label"], why["kind"]) == ("small letters", "pieces")
        assert [one["text"] for one in why["pieces"]] == ["zzzz ", "AA ", "zzz"]
        weights = [one["weight"] for one in why["pieces"]]
        assert weights[0] > 0 > weights[1]
        alone = client.post("/explain", json={"text": "word"})
        assert alone.status_code == 200
        assert client.post("/explain", json={"inputs": ["a", "b"]}).status_code == 400
        assert client.post("/explain", content=b"", headers={"content-type": "text/plain"}).status_code == 400


def test_every_place_is_hidden_and_no_other_is_changed():
    array = np.arange(3 * 16 * 24, dtype=np.float32).reshape(3, 16, 24)
    variants = list(hidden_places(array, 4, 4))
    assert len(variants) == 9
    changed = np.stack([(one != array).any(axis=0) for one in variants])
    assert changed[0][:8, :12].all()
    assert not changed[0][8:].any()
    assert not changed[0][:, 12:].any()
    assert changed.any(axis=0).all()
    assert spread(np.ones((3, 3)), 4, 4).tolist() == np.ones((4, 4)).tolist()
    assert len(list(hidden_places(np.zeros((1, 1, 5)), 1, 5))) == 4


@pytest.mark.parametrize("cut", [0, 1, 10, 100, -1])
def test_a_file_that_is_no_network_is_refused(net, cut):
    content = net.read_bytes()
    net.write_bytes(content[:cut] if cut >= 0 else bytes(reversed(content)))
    with pytest.raises(ValueError, match=r"empty|ONNX|cut off|protocol"):
        onnx_head.read(net)


def test_the_head_of_a_file_is_what_the_library_says(net):
    import onnxruntime

    session, head = onnxruntime.InferenceSession(str(net)), onnx_head.read(net)
    assert head.metadata == session.get_modelmeta().custom_metadata_map
    assert list(head.outputs) == [one.name for one in session.get_outputs()]
    (given,) = head.inputs
    assert (given.name, given.dtype, given.shape) == ("input", "uint8", (None, 3, 16, 16))
