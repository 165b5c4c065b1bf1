"""/predict in every form that it takes, and every request that it refuses: one sentence, no path, no traceback."""

import base64
import struct
import zlib

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

from nets import KEY, colour_net, letter_net, picture, running


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    home = tmp_path_factory.mktemp("nets")
    sources = {"colours": colour_net(home / "colours.onnx"), "letters": letter_net(home / "letters.onnx")}
    with running(sources, bytes=100_000, inputs=4, pixels=10_000, body_seconds=0.5) as (client, _):
        yield client, str(home)


def only(reply):
    assert reply.status_code == 200, reply.text
    (found,) = reply.json()["predictions"]
    return found


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_form_with_a_file(both, kind):
    found = only(both[0].post("/predict?model=colours", files={"file": ("my photo", picture("green", kind=kind))}))
    assert found["label"] == "green"
    assert found["input"] == "my photo"
    assert found["probability"] == found["top"][0]["probability"] > 0.9
    assert found["top"][0]["label"] == "green"
    assert sum(one["probability"] for one in found["top"]) == pytest.approx(1, abs=1e-5)


def test_a_form_that_names_the_model(both):
    found = only(both[0].post("/predict", files={"model": (None, "letters"), "text": (None, "HELLO")}))
    assert found["label"] == "capitals"


def test_the_bytes_themselves(both):
    reply = both[0].post("/predict?model=colours", content=picture("blue"), headers={"content-type": "image/png"})
    assert only(reply)["label"] == "blue"
    reply = both[0].post("/predict?model=letters", content="quiet words", headers={"content-type": "text/plain"})
    assert only(reply)["label"] == "small letters"


def test_json_with_base64_text_and_batches(both):
    client, _ = both
    data = base64.b64encode(picture("red")).decode()
    assert only(client.post("/predict", json={"model": "colours", "data": data}))["label"] == "red"
    assert only(client.post("/predict?model=colours", json={"data": f"data:image/png;base64,{data}"}))["label"] == "red"
    reply = client.post(
        "/predict?model=letters", json={"inputs": ["LOUD", {"text": "soft", "name": "second"}, "NOISE"]}
    )
    assert [one["label"] for one in reply.json()["predictions"]] == ["capitals", "small letters", "capitals"]
    assert [one["input"] for one in reply.json()["predictions"]] == ["input 1", "second", "input 3"]


def test_what_cannot_be_read_among_others_is_named_and_left_out(both):
    files = [("file", ("good", picture("red"))), ("file", ("bad", b"no picture")), ("file", ("fine", picture("blue")))]
    found = both[0].post("/predict?model=colours", files=files).json()["predictions"]
    assert [one.get("label") for one in found] == ["red", None, "blue"]
    assert found[1]["error"].startswith("The file must be a JPEG")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb():
    """Return a PNG of few bytes that claims 40,000 x 40,000 pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


PNG = {"content-type": "image/png"}
JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=xx"}
FIELD = b"--xx\r\nContent-Disposition: form-data; name="
BAD = {
    "no picture": (422, "/predict?model=colours", b"no picture", PNG, "The file must be a JPEG"),
    "cut off": (422, "/predict?model=colours", picture()[:60], PNG, "The image must be a complete PNG"),
    "a bomb": (422, "/predict?model=colours", bomb(), PNG, "10,000 pixels"),
    "nothing": (400, "/predict?model=colours", b"", PNG, "Got nothing"),
    "too large": (413, "/predict?model=colours", b"x" * 100_001, PNG, "at most 100,000 bytes"),
    "no type": (415, "/predict?model=colours", b"x", {}, "Got no type"),
    "another type": (415, "/predict?model=colours", b"x", {"content-type": "text/html"}, "Got the type text/html"),
    "no model": (400, "/predict", picture(), PNG, "one of colours, letters"),
    "unknown model": (404, "/predict?model=colour", picture(), PNG, "'colours'"),
    "a path as a model": (404, "/predict?model=../../etc/passwd", picture(), PNG, "known name"),
    "no JSON": (400, "/predict", b"{", JSON, "must be JSON"),
    "deep JSON": (400, "/predict", b"[" * 50_000, JSON, "must be JSON"),
    "a list": (400, "/predict", b"[]", JSON, "a JSON object"),
    "an empty object": (400, "/predict", b"{}", JSON, "Got none"),
    "no base64": (400, "/predict?model=colours", b'{"data": "***"}', JSON, "must be base64"),
    "half a character": (400, "/predict?model=letters", b'{"text": "\\ud800"}', JSON, "whole characters"),
    "both": (400, "/predict?model=letters", b'{"text": "a", "data": "YQ=="}', JSON, "text or data"),
    "a number": (400, "/predict?model=letters", b'{"text": 3}', JSON, "must be strings"),
    "too many": (413, "/predict?model=letters", b'{"inputs": ["a","b","c","d","e"]}', JSON, "at most 4 inputs"),
    "blanks": (422, "/predict?model=letters", b'{"text": "  "}', JSON, "nothing but blanks"),
    "no form": (400, "/predict", b"hello", FORM, "must be a form"),
    "a form cut off": (400, "/predict", FIELD + b'"file"\r\n\r\nabc', FORM, "form"),
    "no boundary": (400, "/predict", b"x", {"content-type": "multipart/form-data"}, "must be a form"),
    "an empty form": (400, "/predict", b"--xx--\r\n", FORM, "form"),
    "another field": (400, "/predict", FIELD + b'"q"\r\n\r\n1\r\n--xx--\r\n', FORM, "'q'"),
    "a long header": (400, "/predict", b"--xx\r\nA: " + b"b" * 9000 + b"\r\n\r\n1\r\n--xx--\r\n", FORM, "form"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_a_bad_request_is_answered_with_one_sentence(both, case):
    status, path, content, headers, part = case
    client, home = both
    reply = client.post(path, content=content, headers=headers)
    assert reply.status_code == status, reply.text
    message = reply.json()["message"]
    assert part in message
    assert message.endswith(".")
    assert home not in reply.text
    assert "Traceback" not in reply.text
    assert "/tmp" not in reply.text
    # And the server goes on.
    assert only(client.post("/predict?model=colours", files={"file": picture("red")}))["label"] == "red"


def test_a_body_of_unknown_length_is_cut_at_the_limit(both):
    def endless():
        for _ in range(200):
            yield b"x" * 1000

    reply = both[0].post("/predict?model=colours", content=endless(), headers=PNG)
    assert reply.status_code == 413


@pytest.mark.parametrize(
    "path", ["/predict/../../etc/passwd", "/page/../app.py", "/v2/models/..%2f..%2fetc/infer", "/x"]
)
def test_no_address_reaches_a_file(both, path):
    reply = both[0].get(path)
    assert reply.status_code in (404, 405)
    assert "message" in reply.json()


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}, {"authorization": KEY}]
)
@pytest.mark.parametrize("path", ["/predict", "/models", "/metrics", "/admin/reload", "/v2/models/colours", "/nowhere"])
def test_without_the_key_there_is_nothing(both, headers, path):
    client, _ = both
    reply = client.request("POST" if path != "/models" else "GET", path, headers={"authorization": "", **headers})
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "key" in reply.json()["message"]


def test_the_key_is_taken_in_two_headers(both):
    headers = {"authorization": "", "x-api-key": KEY}
    assert both[0].get("/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/page.css", "/health", "/ready", "/openapi.json", "/v2/health/live"]
)
def test_what_is_open_to_all(both, path):
    reply = both[0].get(path, headers={"authorization": ""})
    assert reply.status_code == 200
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_other_sites_and_other_hosts_are_refused(both):
    client, _ = both
    assert client.get("/models", headers={"origin": "https://elsewhere.example"}).status_code == 403
    assert client.get("/health", headers={"host": "elsewhere.example"}).status_code == 421
    assert client.get("/models", headers={"origin": str(client.base_url).rstrip("/")}).status_code == 200
    reply = client.options("/predict", headers={"origin": "https://elsewhere.example"})
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_metrics_count_what_was_answered(both):
    client, _ = both
    before = client.get("/metrics").text
    client.post("/predict?model=letters", json={"text": "a"})
    after = client.get("/metrics").text
    line = 'graft_answers_total{model="letters",outcome="accepted"}'

    def count(text):
        return sum(int(one.rpartition(" ")[2]) for one in text.splitlines() if one.startswith(line))

    assert count(after) == count(before) + 1
    assert 'graft_requests_total{route="/predict",status="200"}' in after


def test_the_api_is_described(both):
    told = both[0].get("/openapi.json").json()
    asked = {"/predict", "/explain", "/v2/models/{name}/infer", "/drift", "/models/{name}/drift"}
    state = {"/health", "/ready", "/models", "/metrics"}
    assert asked | state <= set(told["paths"])
    assert "multipart/form-data" in told["paths"]["/predict"]["post"]["requestBody"]["content"]
