"""Training examples beside an answer, over HTTP: asked for, of every form of input, absent, changed."""

import base64
import io

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

from nets import COLOURS, colour_net, letter_net, picture, running
from PIL import Image

from graft import exemplars
from graft.errors import ArtifactError
from graft.serving.http.prepare import Source


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    home = tmp_path_factory.mktemp("near")
    nets = {
        "colours": colour_net(home / "colours.onnx", examples=True),
        "letters": letter_net(home / "letters.onnx", examples=True),
        "plain": colour_net(home / "plain.onnx"),
    }
    with running(nets) as (client, _):
        yield client


def test_the_nearest_training_pictures_are_shown(client):
    for colour in COLOURS:
        reply = client.post("/predict?model=colours&nearest=3", files={"file": picture(colour)})
        (found,) = reply.json()["predictions"]
        assert [one["label"] for one in found["nearest"]][:2] == [colour, colour]
        assert found["nearest"][2]["label"] != colour
        assert found["nearest"][0]["cosine"] == pytest.approx(1, abs=1e-3)
        head, _, data = found["nearest"][0]["thumbnail"].partition(",")
        assert head == "data:image/webp;base64"
        shown = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB").resize((1, 1)).getpixel((0, 0))
        assert max(range(3), key=shown.__getitem__) == list(COLOURS).index(colour)
        assert set(found["nearest"][0]) == {"label", "cosine", "thumbnail"}


def test_texts_have_excerpts_and_only_who_asks_gets_them(client):
    asked = {"model": "letters", "inputs": ["small letters here", "LOUD"]}
    found = client.post("/predict?nearest=1", json=asked).json()["predictions"]
    assert all(set(one["nearest"][0]) == {"label", "cosine", "excerpt"} for one in found)
    assert all(len(one["nearest"][0]["excerpt"]) <= exemplars.LETTERS for one in found)
    assert "nearest" not in client.post("/predict", json=asked).json()["predictions"][0]


def test_what_cannot_be_shown_is_refused(client):
    for wrong in ("0", "11", "-1", "x", "99999", "²", ""):
        reply = client.post(f"/predict?model=colours&nearest={wrong}", files={"file": picture()})
        assert reply.status_code == 400, wrong
        assert "from 1 to 10" in reply.json()["message"]
    reply = client.post("/predict?model=plain&nearest=3", files={"file": picture()})
    assert (reply.status_code, "--keep-examples" in reply.json()["message"]) == (400, True)
    told = {one["name"]: one["examples"] for one in client.get("/models").json()["models"]}
    assert told == {"colours": 6, "letters": 2, "plain": 0}


def test_an_exported_file_is_served_without_its_examples_but_not_with_others(tmp_path):
    file = colour_net(tmp_path / "net.onnx", examples=True)
    beside = tmp_path / f"net.{exemplars.NAME}"
    content = beside.read_bytes()
    beside.unlink()
    with running({"net": file}) as (client, _):
        assert client.get("/models").json()["models"][0]["examples"] == 0
    beside.write_bytes(content[:-1] + b"x")
    with pytest.raises(ArtifactError, match="sha-256"), running({"net": file}):
        raise AssertionError("it was served")
    beside.write_bytes(content)
    other = letter_net(tmp_path / "other.onnx")
    assert Source("other", other).exemplars({"files": {}}) is None
