"""From the folder that a fit wrote to its clients: compressed, exported, served by a process of its own, and asked."""

import csv
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

import sounds  # noqa: E402
import tiny_transformers  # noqa: E402
from graft import preprocess  # noqa: E402
from graft.contract import speed  # noqa: E402
from graft.serving import http  # noqa: E402
from quick_fit import QUICK, TORCH, one_thread, run_graft  # noqa: E402

NEAR, ROUNDED = 1e-4, 0.01
"""By how much a probability may be off: in float by the rounding of another runtime, in 8 bits by a step of that."""
PAGE = Path(http.__file__).parent / "page" / "index.html"
PROBE = ("--strategy", "linear_probe")


def digits(home):
    """Write handwritten digits of three classes, 8 by 8 points each, as pictures; return folder and words of a fit."""
    from sklearn.datasets import load_digits

    found = load_digits()
    for label in (0, 1, 4):
        folder = home / "data" / f"digit{label}"
        folder.mkdir(parents=True)
        for number, points in enumerate(found.images[found.target == label][:24]):
            grey = Image.fromarray((points * 15).astype(np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
            grey.convert("RGB").save(folder / f"{number}.png")
    return home / "data", QUICK


def questions(home):
    """Write a table of texts in two classes; return it and the words of a fit with a tiny network."""
    tiny_transformers.write(home / "bert", "bert")
    draw = np.random.default_rng(0)
    with (home / "data.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        for number in range(60):
            about, label = (("please help me top up", "help"), ("where is my lost card", "card"))[number % 2]
            rows.writerow((f"{about} {' '.join(draw.choice(tiny_transformers.WORDS, 3))} {number}", label))
    return home / "data.csv", ("--backbone", home / "bert", *TORCH)


def tones(home):
    """Write short recordings in three classes; return folder and words of a fit."""
    return sounds.make_sounds(home / "data"), QUICK


HALF = ("--method", "half")
INT8 = ("--method", "int8", "--force", "--set", "inputs=8", "--set", "tolerance=1000000")
KINDS = {
    "photos": (digits, INT8, "small.onnx", "image/png", ROUNDED),
    "texts": (questions, HALF, "small", "application/json", NEAR),
    "recordings": (tones, HALF, "small.onnx", "audio/wav", NEAR),
}
"""How data are made, how the model is compressed, whether its folder is served or the file, and what clients send."""


@dataclass(frozen=True)
class Shipped:
    """A model on its way out: what `graft predict` says of some inputs, the exported file, and the server."""

    said: list
    inputs: list
    file: Path
    address: str
    key: str
    kind: str
    near: float

    def agree(self, number, label, probability):
        """Check an answer to one input against that of the compressed folder."""
        assert label == self.said[number]["label"]
        assert probability == pytest.approx(self.said[number]["probability"], abs=self.near)

    def body(self, number):
        """Return an input as the body of a request."""
        one = self.inputs[number]
        return json.dumps({"text": one}).encode() if isinstance(one, str) else one.read_bytes()

    def ask(self, number, **headers):
        """Return the answer to one input, asked with Python's own client."""
        headers = {"Content-Type": self.kind, **headers}
        asked = urllib.request.Request(f"{self.address}predict", self.body(number), headers)
        with LOCAL.open(asked, timeout=30) as reply:
            return json.load(reply)


LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks this machine itself, whatever the environment says of proxies."""


@pytest.fixture(scope="module", params=list(KINDS))
def shipped(request, tmp_path_factory):
    """Send one kind of data through all the commands, and serve what comes of it while its tests run."""
    make, method, served, kind, near = KINDS[request.param]
    home = tmp_path_factory.mktemp("shipped")
    source, words = make(home)
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "SECONDS", 0.01)
        patch.setenv("GRAFT_CACHE", str(home / "cache"))
        steps = (
            ("fit", source, "--out", home / "model", *words, *PROBE),
            ("compress", home / "model", *method, "--out", home / "small"),
            ("export", home / "small", "--format", "onnx", "--out", home / "small.onnx"),
        )
        for step in steps:
            assert run_graft(*step, "--json").json
        if source.is_dir():
            inputs = [min(one.iterdir()) for one in sorted(source.iterdir())]
            asked = inputs
        else:
            inputs = ["please help", "where is my card", "top up the lost card", "why"]
            asked = [word for one in inputs for word in ("--text", one)]
        said = run_graft("predict", home / "small", *asked, "--json").json["predictions"]
        with serving(home / served) as (address, key):
            yield Shipped(said, inputs, home / "small.onnx", address, key, kind, near)


@contextmanager
def serving(model):
    """Serve a model by a process of its own, on a port that is free; give its address and key."""
    words = [sys.executable, "-m", "graft", "serve", f"shipped={model}", "--port", "0", "--json"]
    started = subprocess.Popen(
        [*words, "--runtime", "onnxruntime"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        told = json.loads(started.stdout.readline() or "null")
        assert told, started.communicate(timeout=10)[1]
        yield told["address"], told["key"]
    finally:
        started.terminate()
        started.communicate(timeout=30)


def test_python_gets_the_answers_of_the_compressed_model(shipped):
    assert len({one["label"] for one in shipped.said}) > 1
    for number in range(len(shipped.inputs)):
        (answer,) = shipped.ask(number, Authorization=f"Bearer {shipped.key}")["predictions"]
        shipped.agree(number, answer["label"], answer["probability"])
    with pytest.raises(urllib.error.HTTPError) as refused:
        shipped.ask(0)
    refused.value.close()
    assert refused.value.code == 401


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_the_answers_of_the_compressed_model(shipped):
    words = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "-H", f"X-API-Key: {shipped.key}"]
    for number, one in enumerate(shipped.inputs):
        form = ["--form-string", f"text={one}"] if isinstance(one, str) else ["--form", f"file=@{one}"]
        done = subprocess.run([*words, *form, f"{shipped.address}predict"], capture_output=True, text=True, check=True)
        (answer,) = json.loads(done.stdout)["predictions"]
        shipped.agree(number, answer["label"], answer["probability"])


def test_the_page_is_there(shipped):
    with LOCAL.open(shipped.address, timeout=30) as reply:
        assert reply.status == 200
        assert reply.headers["Content-Type"].startswith("text/html")
        assert reply.read() == PAGE.read_bytes()


def test_the_exported_file_answers_by_itself(shipped):
    """Nothing of Graft runs the network here; its own preprocessing makes the inputs, as the file's metadata say."""
    session = onnxruntime.InferenceSession(shipped.file)
    told = json.loads(session.get_modelmeta().custom_metadata_map["graft"])
    form = preprocess.REGISTRY.get(told["modality"]).from_json(told["preprocess"])
    for number, one in enumerate(shipped.inputs):
        content = one.encode() if isinstance(one, str) else one.read_bytes()
        (logits,) = session.run(["logits"], {"input": form.fit_light(form.decode(content))[None]})[0]
        powers = np.exp(logits.astype(np.float64) / told["temperature"])
        shipped.agree(number, told["task"]["classes"][powers.argmax()], powers.max() / powers.sum())
