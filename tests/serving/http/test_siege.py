"""The server besieged, for seconds: what benchmarks/siege.py does for minutes. Workers that die are replaced."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

import httpx
from nets import COLOURS, KEY, colour_net, letter_net, picture, running

sys.path.insert(0, str(Path(__file__).parents[3]))
from benchmarks import siege


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """Return a server in this process, of a network of three colours."""
    home = tmp_path_factory.mktemp("siege")
    sources = {"net": colour_net(home / "net.onnx", doubts=True)}
    with running(sources, body_seconds=0.5, queue=8) as (client, _):
        yield siege.Target(client.base_url.port, KEY, "net", psutil.Process())


@pytest.fixture(scope="module")
def pictures():
    return [picture(one, kind="JPEG") for one in COLOURS]


def test_nothing_that_is_nearly_a_request_breaks_the_server(target, pictures):
    assert asyncio.run(siege.mutated(target, pictures, 400, seed=1))


def test_many_open_connections_leave_room_for_others(target, pictures):
    assert asyncio.run(siege.crowded(target, pictures, 300))


def test_slow_clients_are_cut_off_and_others_answered(target, pictures):
    assert asyncio.run(siege.slow(target, pictures, 10))


def test_more_than_can_be_answered_is_refused_and_no_answer_is_wrong(tmp_path, pictures):
    file = colour_net(tmp_path / "net.onnx")
    wanted = siege.offline(file, pictures)
    assert [max(one, key=one.get) for one in wanted] == list(COLOURS)

    def slowly(house):
        work = house.models["net"].batcher.work
        house.models["net"].batcher.work = lambda jobs: (time.sleep(0.02), work(jobs))[1]

    with running({"net": file}, queue=4, wrap=slowly) as (client, _):
        target = siege.Target(client.base_url.port, KEY, "net", psutil.Process())
        assert asyncio.run(siege.overload(target, pictures, wanted, 1.5))


def process(file, *more):
    words = [sys.executable, "-m", "graft", "serve", f"net={file}", "--port", "0", "--json", "--runtime", "onnxruntime"]
    started = subprocess.Popen([*words, *more], stdout=subprocess.PIPE, text=True, stderr=subprocess.PIPE)
    told = json.loads(started.stdout.readline())
    return started, told["address"], told["key"]


def test_a_worker_that_is_killed_is_replaced_and_a_signal_ends_all(tmp_path, pictures):
    started, address, key = process(colour_net(tmp_path / "net.onnx"), "--workers", "1")
    try:
        target = siege.Target(httpx.URL(address).port, key, "net", psutil.Process(started.pid))
        assert asyncio.run(siege.killed(target, pictures))
        reply = httpx.get(f"{address}models", headers={"x-api-key": key}, trust_env=False)
        assert reply.json()["models"][0]["name"] == "net"
        assert httpx.get(f"{address}models", trust_env=False).status_code == 401
        workers = target.process.children()
        assert asyncio.run(siege.leaving(target, pictures, 6))
        assert not [one for one in workers if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    finally:
        started.kill()
        started.communicate()


def test_of_two_workers_one_may_be_killed_at_any_time(tmp_path):
    started, address, key = process(colour_net(tmp_path / "net.onnx"), "--workers", "2")

    def asked():
        """Ask on a connection of its own."""
        words = {"headers": {"x-api-key": key, "content-type": "image/png"}, "trust_env": False, "timeout": 30}
        reply = httpx.post(f"{address}predict", content=picture("green"), **words)
        return reply.status_code, reply.json()["predictions"][0]["label"]

    try:
        watcher = psutil.Process(started.pid)
        first, second = watcher.children()
        # The one that is left answers every connection that comes after, and so does the one that takes the place.
        for victim in (first, second):
            assert asked() == (200, "green")
            victim.kill()
            victim.wait(10)
            assert [asked() for _ in range(10)] == [(200, "green")] * 10
            until = time.monotonic() + 30
            while len(watcher.children()) < 2 and time.monotonic() < until:
                time.sleep(0.05)
            assert len(watcher.children()) == 2
        crew = watcher.children()
        assert not {first.pid, second.pid} & {one.pid for one in crew}
        started.send_signal(signal.SIGTERM)
        assert started.wait(30) == 0
        assert not any(one.is_running() for one in crew)
    finally:
        started.kill()
        started.communicate()


def test_a_worker_does_not_outlive_its_watcher(tmp_path):
    started, _, _ = process(colour_net(tmp_path / "net.onnx"), "--workers", "1", "--no-key")
    try:
        (worker,) = psutil.Process(started.pid).children()
        os.kill(started.pid, signal.SIGKILL)
        worker.wait(20)
    finally:
        started.kill()
        started.communicate()
    assert not worker.is_running()


def test_workers_that_cannot_start_are_told_of(tmp_path):
    file = tmp_path / "net.onnx"
    file.write_bytes(b"no network")
    words = [sys.executable, "-m", "graft", "serve", str(file), "--port", "0", "--workers", "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "ONNX file that is whole" in done.stderr
    assert "Traceback" not in done.stderr


def test_texts_are_besieged_too(tmp_path):
    file = letter_net(tmp_path / "net.onnx")
    words = [b"some small words", b"LOUD WORDS OF MORE LETTERS"]
    wanted = siege.offline(file, words)
    with running({"net": file}, queue=8, body_seconds=0.5) as (client, _):
        target = siege.Target(client.base_url.port, KEY, "net", psutil.Process(), texts=True)
        assert asyncio.run(siege.mutated(target, words, 200, seed=2))
        assert asyncio.run(siege.overload(target, words, wanted, 1.0))
        assert asyncio.run(siege.slow(target, words, 10))
