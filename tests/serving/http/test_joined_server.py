"""Models with columns and descriptors beside the network, served: answered as by the model itself, or refused."""

import base64
import csv
import json

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

from nets import BLOCKS, FORM, HOG, SMALL, picture, priced_net, running, spotted

import graft as library
import tiny_transformers
from graft.errors import ArtifactError
from graft.fusion import Beside
from graft.serving.http import runners
from graft.serving.http.exported import LEARNED, opened
from graft.types import Example
from quick_fit import one_thread, run_graft


def wanted(content, price):
    """Return the logits of a picture and a price, without a server."""
    decoded = FORM.decode(content)
    example = Example("", columns={"price": price})
    found = Beside.from_json(BLOCKS, {}).of(FORM, example, decoded, FORM.fit_light(decoded))
    return SMALL * np.array([found[0], found.sum()])


@pytest.fixture(scope="module")
def priced(tmp_path_factory):
    return priced_net(tmp_path_factory.mktemp("priced") / "priced.onnx")


@pytest.fixture(scope="module")
def client(priced):
    with running({"priced": priced}) as (client, _):
        yield client


def gap(found):
    """Return the second logit less the first."""
    chances = [next(one["probability"] for one in found["top"] if one["label"] == name) for name in ("price", "all")]
    return np.diff(np.log(chances))[0]


def test_pictures_with_a_price_are_answered_as_without_a_server(client):
    for price in ("6", "-2.5", None):
        columns = {"price": None if price is None else float(price)}
        reply = client.post("/predict", files={"file": spotted()}, data={"columns": json.dumps(columns)})
        (found,) = reply.json()["predictions"]
        assert gap(found) == pytest.approx(np.diff(wanted(spotted(), price))[0], abs=1e-4)


def test_explanations_keep_what_is_beside(client):
    reply = client.post("/explain", files={"file": spotted()}, data={"columns": '{"price": 9}'})
    assert reply.status_code == 200
    assert np.abs(reply.json()["weights"]).max() == 0, "nothing hangs on the pixels once the rest is known"


@pytest.mark.parametrize(
    ("columns", "status", "sentence"),
    [
        ("{}", 422, "with the columns 'price'"),
        ('{"price": 1, "shop": "a"}', 422, "'shop'"),
        ('{"price": "dear"}', 422, "a number"),
        ('{"price": [1]}', 400, "words or numbers"),
        ('{"price": Infinity}', 422, "a number"),
        ("[1]", 400, "JSON object"),
        ("price", 400, "JSON"),
    ],
)
def test_columns_that_are_not_those_of_the_fit(client, columns, status, sentence):
    reply = client.post("/predict", files={"file": picture()}, data={"columns": columns})
    assert (reply.status_code, sentence in reply.json()["message"]) == (status, True), reply.text


def test_one_input_of_several_without_its_column_is_told_of_alone(client):
    data = "iVBORw0KGgo="
    asked = {"inputs": [{"data": data}, {"data": data, "columns": {"price": 1}}]}
    first, second = client.post("/predict", json=asked).json()["predictions"]
    assert "'price'" in first["error"]
    assert "'price'" not in second["error"]
    assert client.get("/models").json()["models"][0]["columns"] == [{"name": "price", "kind": "numbers", "known": []}]


def test_a_tensor_is_not_taken(client):
    tensor = {"name": "input", "datatype": "UINT8", "shape": [1, 3, 16, 16], "data": [0] * 768}
    assert client.post("/v2/models/priced/infer", json={"inputs": [tensor]}).status_code == 400


def v2(**columns):
    """Return a request of the Open Inference Protocol: two pictures, with columns beside them."""
    coded = [base64.b64encode(one).decode() for one in (spotted(), picture())]
    pictures = {"name": "content", "datatype": "BYTES", "shape": [2], "data": coded}
    return {
        "inputs": [
            {**pictures, "parameters": {"content_type": "base64"}},
            *(
                {"name": f"columns.{name}", "datatype": "FP64", "shape": [2], "data": data}
                for name, data in columns.items()
            ),
        ]
    }


def test_columns_have_tensors_of_their_own_in_the_open_protocol(client):
    inputs = client.get("/v2/models/priced").json()["inputs"]
    assert [(one["name"], one["datatype"]) for one in inputs] == [("content", "BYTES"), ("columns.price", "FP64")]
    reply = client.post("/v2/models/priced/infer", json=v2(price=[6, None]))
    found = np.reshape(next(one["data"] for one in reply.json()["outputs"] if one["name"] == "logits"), (2, 2))
    want = [wanted(spotted(), "6"), wanted(picture(), None)]
    assert np.allclose(found, want, atol=1e-4)


@pytest.mark.parametrize(
    ("columns", "status", "sentence"),
    [
        ({}, 422, "columns.price"),
        ({"price": [1, 2], "shop": [1, 2]}, 422, "columns.price"),
        ({"price": [1]}, 400, "2 values"),
        ({"price": "12"}, 400, "2 values"),
        ({"price": [1, [2]]}, 400, "words or numbers"),
        ({"price": [1, "dear"]}, 422, "a number"),
    ],
)
def test_columns_in_the_open_protocol_that_are_not_those_of_the_fit(client, columns, status, sentence):
    reply = client.post("/v2/models/priced/infer", json=v2(**columns))
    assert (reply.status_code, sentence in reply.json()["message"]) == (status, True), reply.text


def test_a_column_given_twice_is_refused(client):
    asked = v2(price=[1, 2])
    asked["inputs"].append(asked["inputs"][1])
    assert client.post("/v2/models/priced/infer", json=asked).status_code == 422
    asked["inputs"] = asked["inputs"][1:]
    assert client.post("/v2/models/priced/infer", json=asked).status_code == 400


def test_every_runtime_gives_the_same(priced):
    pytest.importorskip("openvino", reason="openvino is not installed")
    exported = opened(priced)
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (4, 3, 16, 16), dtype=np.uint8)
    beside = draw.normal(size=(4, HOG + 2)).astype(np.float32)
    plain = runners.OnnxRuntime(exported)
    form = runners.Sized(runners.OpenVino(exported, "float32", 1), runners.OpenVino(exported, "float32", 4))
    for count in (1, 2, 3, 4):
        want, found = plain.run(pixels[:count], beside[:count]), form.run(pixels[:count], beside[:count])
        assert all(np.allclose(one, other, rtol=1e-3, atol=1e-2) for one, other in zip(want, found, strict=True))
    assert not plain.run(pixels)[0].any()


@pytest.fixture(scope="module")
def tickets(tmp_path_factory):
    """Return the folder of a model of texts, a price and TF-IDF, fitted for real, and of its export."""
    home = tmp_path_factory.mktemp("tickets")
    tiny_transformers.write(home / "bert", "bert")
    draw = np.random.default_rng(0)
    with (home / "tickets.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "price"])
        for number in range(90):
            words = " ".join(draw.choice(tiny_transformers.WORDS, 4))
            writer.writerow([f"{words} {number}", "abc"[number % 3], f"{draw.normal(number % 3, 0.4):.3f}"])
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(home / "cache"))
        ran = run_graft(
            *("fit", home / "tickets.csv", "--out", home / "model", "--backbone", home / "bert", "--label", "label"),
            *("--with", "price,tfidf", "--runtime", "torch:float32", "--strategy", "linear_probe", "--json"),
        )
        assert ran.json["strategy"] == "joined_probe"
        library.load(home / "model").export(home / "tickets.onnx")
    return home


def test_texts_with_tfidf_and_a_price_are_answered_as_by_the_model(tickets):
    texts = [f"{tiny_transformers.WORDS[one]} {tiny_transformers.WORDS[one + 3]} nothing else" for one in range(4)]
    prices = [0.1, 1.2, 2.3, -4.0]
    asked = [{"text": one, "columns": {"price": price}} for one, price in zip(texts, prices, strict=True)]
    with running({"tickets": tickets / "tickets.onnx"}) as (client, house):
        found = client.post("/predict", json={"inputs": asked}).json()["predictions"]
        reply = client.post("/explain", json=asked[1])
        assert len(reply.json()["pieces"]) == 4
        assert house.models["tickets"].watching is not None
        assert {"accepted", "reason"} <= set(found[0])
    model = library.load(tickets / "model")
    for one, text, price in zip(found, texts, prices, strict=True):
        (want,) = library.predict(model, texts=[text], values={"price": price}).predictions
        assert one["label"] == want.label
        assert one["probability"] == pytest.approx(want.probability, abs=1e-3)


def test_what_descriptors_learned_must_be_there_unchanged(tickets, tmp_path):
    file, learned = tmp_path / "tickets.onnx", tmp_path / f"tickets.{LEARNED}"
    for one in (tickets / file.name, *tickets.glob("tickets.*safetensors")):
        (tmp_path / one.name).write_bytes(one.read_bytes())
    content = learned.read_bytes()
    learned.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for _ in range(2):
        with pytest.raises(ArtifactError, match=learned.name), running({"tickets": file}):
            raise AssertionError("it was served")
        learned.unlink(missing_ok=True)
