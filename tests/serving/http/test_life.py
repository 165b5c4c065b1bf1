"""The server's life: load, overload, slow clients, new versions under load, a signal, and no torch in its process."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

import httpx
from nets import COLOURS, KEY, colour_net, letter_net, picture, running

from graft.errors import ArtifactError, SettingError
from graft.serving.http import keys, prepare
from graft.serving.http.gate import Rates
from graft.serving.http.settings import Place
from graft.serving.http.start import _bound, _keys

PNG = {"content-type": "image/png"}


def asked(client, colour="red", **more):
    return client.post("/predict", content=picture(colour), headers=PNG, **more)


def slowed(seconds):
    """Return what makes every batch of a house take so long."""

    def wrap(house):
        for one in house.models.values():
            work = one.batcher.work
            one.batcher.work = lambda jobs, work=work: (time.sleep(seconds), work(jobs))[1]

    return wrap


@pytest.mark.parametrize("runtime", ["onnxruntime", "auto"])
def test_each_of_many_requests_at_once_gets_its_own_answer(tmp_path, runtime):
    colours = list(COLOURS) * 40
    with (
        running({"net": colour_net(tmp_path / "net.onnx")}, runtime=runtime) as (client, house),
        ThreadPoolExecutor(16) as pool,
    ):
        replies = list(pool.map(lambda one: asked(client, one).json()["predictions"][0]["label"], colours))
        assert replies == colours
        assert house.room.taken == 0


def test_texts_of_different_lengths_answer_together_as_alone(tmp_path):
    texts = ["A", "a", "LONG CAPITALS THAT GO ON", "small letters that go on for longer than that", "b" * 60]
    with running({"net": letter_net(tmp_path / "net.onnx")}, runtime="auto") as (client, _):
        alone = [client.post("/predict", json={"text": one}).json()["predictions"][0] for one in texts]
        together = client.post("/predict", json={"inputs": texts}).json()["predictions"]
    assert [one["label"] for one in together] == [one["label"] for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert one["probability"] == pytest.approx(other["probability"], abs=0.02)


def test_a_full_queue_answers_503_and_the_rest_right(tmp_path):
    sources = {"net": colour_net(tmp_path / "net.onnx")}
    with running(sources, queue=3, wrap=slowed(0.05)) as (client, _), ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda number: asked(client), range(48)))
        kinds = {one.status_code for one in replies}
        assert kinds == {200, 503}
        for one in replies:
            if one.status_code == 503:
                assert int(one.headers["retry-after"]) >= 1
            else:
                assert one.json()["predictions"][0]["label"] == "red"
        assert asked(client).status_code == 200


def test_an_answer_that_takes_too_long_is_given_up(tmp_path):
    sources = {"net": colour_net(tmp_path / "net.onnx")}
    with running(sources, answer_seconds=0.2, wrap=slowed(0.6)) as (client, house):
        reply = asked(client)
        assert reply.status_code == 504
        assert "too long" in reply.json()["message"]
        assert house.room.taken == 0


def raw(body, key=KEY):
    """Return the head of a request, and its body."""
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: image/png\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body


def place(address):
    """Return host and port of an address."""
    return httpx.URL(str(address)).host, httpx.URL(str(address)).port


def test_a_client_that_sends_its_body_slowly_is_given_up(tmp_path):
    with running({"net": colour_net(tmp_path / "net.onnx")}, body_seconds=0.8) as (client, _):
        with socket.create_connection(place(client.base_url)) as slow:
            slow.settimeout(5)
            head, body = raw(picture())
            slow.sendall(head + body[:10])
            reply = slow.recv(4000)
        assert reply.startswith(b"HTTP/1.1 408")
        assert b"within 0.8 s" in reply
        assert asked(client).status_code == 200


def test_a_fault_in_the_network_is_a_500_that_tells_nothing(tmp_path):
    def broken(house):
        def work(jobs):
            raise RuntimeError("secret /home/path")

        house.models["net"].batcher.work = work

    with running({"net": colour_net(tmp_path / "net.onnx")}, wrap=broken) as (client, _):
        reply = asked(client)
        assert reply.status_code == 500
        assert "secret" not in reply.text
        assert client.get("/health").status_code == 200


OTHER = ("rot", "green", "blue")


@pytest.mark.parametrize("way", ["watch", "reload"])
def test_a_new_version_takes_over_under_load_and_no_request_is_lost(tmp_path, way):
    file = colour_net(tmp_path / "net.onnx")
    done, seen = threading.Event(), []

    with running({"net": file}, watch=0.05 if way == "watch" else 0.0) as (client, house):

        def load():
            while not done.is_set():
                reply = asked(client)
                seen.append((reply.status_code, reply.json()))

        crowd = [threading.Thread(target=load) for _ in range(6)]
        for one in crowd:
            one.start()
        time.sleep(0.3)
        fresh = colour_net(tmp_path / "fresh" / "net.onnx", classes=OTHER)
        fresh.replace(file)
        if way == "reload":
            assert client.post("/admin/reload").status_code == 200
        until = time.monotonic() + 10
        while time.monotonic() < until and house.models["net"].task.classes != OTHER:
            time.sleep(0.02)
        time.sleep(0.3)
        done.set()
        for one in crowd:
            one.join()
    assert {status for status, _ in seen} == {200}
    labels = {(one["version"], one["predictions"][0]["label"]) for _, one in seen}
    assert {label for _, label in labels} == {"red", "rot"}
    assert len(labels) == 2, "an answer of one version carries the name of the other"


def test_a_new_version_that_is_broken_is_not_taken(tmp_path):
    file = colour_net(tmp_path / "net.onnx")
    with running({"net": file}) as (client, _):
        file.write_bytes(b"no network")
        reply = client.post("/admin/reload")
        assert reply.status_code == 409
        assert str(tmp_path) not in reply.text
        assert asked(client).json()["predictions"][0]["label"] == "red"


@pytest.fixture
def process(tmp_path):
    """Return a server in a process of its own, its address and its key."""
    file = colour_net(tmp_path / "colours.onnx")
    words = [sys.executable, "-W", "error", "-X", "importtime", "-m", "graft", "serve", str(file), "--port", "0"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    started = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=env)
    lines, address, key = [], "", ""
    for line in started.stderr:
        lines.append(line)
        if line.startswith("Serving"):
            address = line.split(" at ")[1].strip()
        if line.startswith("Key"):
            key = line.rpartition(" ")[2].strip()
        if line.startswith("The page"):
            break
    rest = threading.Thread(target=lambda: lines.extend(started.stderr), daemon=True)
    rest.start()
    yield started, address, key, lines
    started.kill()
    started.wait()
    rest.join(5)
    started.stderr.close()


def test_the_process_has_no_torch_and_a_signal_loses_no_request(process):
    started, address, key, lines = process
    headers = {"authorization": f"Bearer {key}", **PNG}
    assert httpx.post(f"{address}predict", content=picture(), trust_env=False, headers=PNG).status_code == 401
    reply = httpx.post(f"{address}predict", content=picture("blue"), trust_env=False, headers=headers)
    assert reply.json()["predictions"][0]["label"] == "blue"
    begun = []
    for _ in range(8):
        one = socket.create_connection(place(address))
        one.settimeout(10)
        head, body = raw(picture("green"), key)
        one.sendall(head + body[:20])
        begun.append((one, body[20:]))
    time.sleep(0.5)
    started.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    for one, rest in begun:
        with one:
            one.sendall(rest)
            found = b""
            while piece := one.recv(4000):
                found += piece
        assert found.startswith(b"HTTP/1.1 200")
        assert b'"label":"green"' in found
    started.wait(20)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}health", trust_env=False)
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert "graft.serving.http.app" in imported
    assert not imported & {"torch", "torchvision", "graft.training", "graft.strategies", "graft.selection", "sklearn"}
    assert not [line for line in lines if "Traceback" in line]


def test_a_client_that_never_ends_its_headers_is_cut_off(monkeypatch, tmp_path):
    from graft.serving.http import answering

    monkeypatch.setattr(answering.Patient, "seconds", 0.8)
    from graft.serving.http.app import built
    from graft.serving.http.house import House

    house = House([prepare.Source("net", colour_net(tmp_path / "net.onnx"))], Place().limits, runtime="onnxruntime")
    house.open(lambda sentence: None)
    config = answering.uvicorn.Config(
        built(house, Place(watch_seconds=0), None), http=answering.Patient, log_level="critical"
    )
    bound = socket.create_server(("127.0.0.1", 0))
    server = answering.uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        with socket.create_connection(bound.getsockname()) as slow:
            slow.settimeout(5)
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-A: ")
            assert slow.recv(100) == b""
        with socket.create_connection(bound.getsockname()) as kept:
            kept.settimeout(5)
            for _ in range(2):
                kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"200 OK" in kept.recv(4000)
            kept.sendall(b"GET /hea")
            assert kept.recv(100) == b""
    finally:
        server.should_exit = True
        thread.join(10)


def test_more_connections_than_there_is_room_for_are_told_so(monkeypatch, tmp_path):
    from graft.serving.http import answering

    monkeypatch.setattr(answering.Patient, "most", 3)
    with running({"net": colour_net(tmp_path / "net.onnx")}) as (client, _):
        held = [socket.create_connection(place(client.base_url)) for _ in range(5)]
        for one in held[3:]:
            one.settimeout(5)
            assert one.recv(4000).startswith(b"HTTP/1.1 503")
        for one in held:
            one.close()
        until = time.monotonic() + 5
        while (reply := client.get("/health")).status_code == 503 and time.monotonic() < until:
            time.sleep(0.05)
        assert reply.status_code == 200
        assert asked(client).status_code == 200


def test_rates_are_limited_by_address():
    now = [0.0]
    rates = Rates(2.0, lambda: now[0])
    for _ in range(4):
        rates.take("one")
    with pytest.raises(Exception, match="at most 2 a second") as caught:
        rates.take("one")
    assert caught.value.status == 429
    assert int(caught.value.headers["retry-after"]) >= 1
    rates.take("other")
    now[0] += 1
    rates.take("one")


def test_a_key_file_keeps_the_hash_alone(tmp_path):
    file = tmp_path / "deep" / "key"
    made, key = keys.kept(file)
    assert made.opens(key)
    assert key not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    again, told = keys.kept(file)
    assert told is None
    assert again.opens(key)
    assert not again.opens(key + "x")
    file.write_text("my password\n")
    with pytest.raises(SettingError, match="hash of a key"):
        keys.kept(file)


def test_no_key_is_for_this_machine_alone():
    assert _keys(Place(open=True)) == (None, None)
    with pytest.raises(SettingError, match="own address"):
        _keys(Place(open=True, host="0.0.0.0"))


def test_a_port_that_is_taken_is_told_of():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(SettingError, match="listened on"),
    ):
        _bound(Place(port=taken.getsockname()[1]))


def test_what_cannot_be_served_is_told_of(tmp_path):
    with pytest.raises(ArtifactError, match=r"graft\.json"):
        prepare.sources([str(tmp_path)])
    net = colour_net(tmp_path / "net.onnx")
    with pytest.raises(ArtifactError, match="given once"):
        prepare.sources([str(net), str(net)])
    with pytest.raises(ArtifactError, match="letters, digits"):
        prepare.sources([f"a b={net}"])
    assert [one.name for one in prepare.sources([str(net), f"other={net}"])] == ["net", "other"]


def test_the_protocol_of_kserve(tmp_path):
    sources = {"net": colour_net(tmp_path / "net.onnx"), "words": letter_net(tmp_path / "words.onnx")}
    with running(sources, inputs=4) as (client, _):
        assert client.get("/v2").json()["name"] == "graft"
        assert client.get("/v2/health/ready").json() == {"ready": True}
        assert client.get("/v2/models/net/ready").json()["ready"]
        told = client.get("/v2/models/net").json()
        assert told["inputs"][0] == {"name": "input", "datatype": "UINT8", "shape": [-1, 3, 16, 16]}

        def infer(model, tensor, **more):
            return client.post(f"/v2/models/{model}/infer", json={"inputs": [tensor], **more})

        green = [0] * 256 + [255] * 256 + [0] * 256
        tensor = {"name": "input", "datatype": "UINT8", "shape": [2, 3, 16, 16], "data": green * 2}
        found = infer("net", tensor, id="7").json()
        assert found["id"] == "7"
        outputs = {one["name"]: one for one in found["outputs"]}
        assert outputs["label"] == {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["green", "green"]}
        assert outputs["logits"]["shape"] == [2, 3]
        words = {"name": "content", "datatype": "BYTES", "shape": [2], "data": ["LOUD", "soft"]}
        found = infer("words", words, outputs=[{"name": "label"}]).json()["outputs"]
        assert [one["data"] for one in found] == [["capitals", "small letters"]]
        bad = [
            {**tensor, "shape": [2, 3, 16, 15]},
            {**tensor, "shape": [2**40, 3, 16, 16]},
            {**tensor, "data": green},
            {**tensor, "data": ["x"] * 1536},
            {**tensor, "data": [256] * 1536},
            {**tensor, "data": [0.5] * 1536},
            {**tensor, "datatype": "FP32"},
            {**words, "data": [1, 2]},
            {"name": "input"},
            None,
        ]
        for one in bad:
            reply = infer("net", one)
            assert reply.status_code in (400, 413), reply.text
            assert reply.json()["message"].endswith(".")
        tokens = {"name": "input", "datatype": "INT32", "shape": [1, 2], "data": [1, 10**9]}
        assert infer("words", tokens).status_code == 400
        assert client.post("/v2/models/none/infer", json={}).status_code == 404
        assert json.loads(client.get("/v2/models/words").text)["inputs"] == [
            {"name": "content", "datatype": "BYTES", "shape": [-1]}
        ]
        assert Path(tmp_path).name not in client.get("/v2/models/net").text
        assert KEY
