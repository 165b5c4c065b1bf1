"""Small exported networks for the server's tests, made by hand in ONNX as `graft export` writes them; no torch."""

import io
import json
import socket
import threading
import time
from contextlib import contextmanager
from hashlib import sha256

import httpx
import numpy as np
import onnx
import uvicorn
from onnx import TensorProto, helper, numpy_helper
from PIL import Image as Picture

from graft.doubt import kept
from graft.doubt.judging import Calibration, Doubt, Reference
from graft.doubt.likeness import Nearest
from graft.exemplars import NAME, Exemplars, write
from graft.preprocess import descriptors
from graft.preprocess.image import Image
from graft.preprocess.text import Text
from graft.serving.http import Limits, Place
from graft.serving.http.answering import Patient
from graft.serving.http.app import built
from graft.serving.http.house import House
from graft.serving.http.keeping import Keeping
from graft.serving.http.keys import Keys, fingerprint
from graft.serving.http.prepare import Source

KEY = "the-right-key"
FORM = Image(size=(16, 16), resize=16)
HOG = descriptors.named("hog").width(FORM)
SMALL = 0.02
BLOCKS = [
    {"kind": "numbers", "name": "price", "mean": 2.0, "deviation": 4.0, "width": 2, "factor": 1.0},
    {"kind": "descriptor", "name": "hog", "width": HOG, "factor": 0.5},
]
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def doubtful(file, vectors, above=0.02):
    """Write the doubts of a model whose training data had features (n, d), beside its file; return their hash."""
    draw = np.random.default_rng(0)
    projection = draw.normal(size=(vectors.shape[1], 4)).astype(np.float32)
    doubt = Doubt(
        likeness=Nearest.fit(vectors, np.zeros(len(vectors))),
        above=above,
        share=0.02,
        form="class",
        calibration=Calibration(np.zeros(50, np.float32)),
        reference=Reference(projection, vectors @ projection),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    written = kept.write(file.parent, doubt).rename(file.with_name(f"{file.stem}.{kept.NAME}"))
    return sha256(written.read_bytes()).hexdigest()


def saved(file, nodes, given, constants, told):
    graph = helper.make_graph(
        nodes,
        "net",
        given if isinstance(given, list) else [given],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "outputs"]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "width"]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    entry = model.metadata_props.add()
    entry.key, entry.value = "graft", json.dumps(told)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)
    return file


def told(preprocess, classes):
    return {
        "format": 1,
        "modality": preprocess.modality,
        "preprocess": preprocess.to_json(),
        "task": {"name": "classification", "classes": list(classes), "outputs": len(classes)},
        "temperature": 1.0,
    }


def exemplary(file, vectors, labels, *, pictures=None, texts=None):
    """Write training examples beside a model's file; return what its metadata says of them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    none = [""] * len(labels)
    kept = Exemplars.of(np.asarray(vectors, np.float32), labels, pictures or [b""] * len(labels), texts or none)
    written = write(file.with_name(f"{file.stem}.{NAME}"), kept)
    return {NAME: sha256(written.read_bytes()).hexdigest()}


def colour_net(file, *, classes=tuple(COLOURS), sharp=8.0, doubts=False, examples=False):
    """Write a network that says which colour a picture has most of: its features are the three means.

    With ``doubts`` it knows that it was trained on the three colours and has seen nothing else; with ``examples`` it
    keeps two pictures of each.
    """
    preprocess = Image(size=(16, 16), resize=16)
    nodes = [
        helper.make_node("Cast", ["input"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["wide", "axes"], ["means"], keepdims=0),
        helper.make_node("Div", ["means", "full"], ["features"]),
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
    ]
    constants = {
        "axes": np.array([2, 3], np.int64),
        "full": np.float32(255),
        "weights": sharp * np.eye(3, dtype=np.float32),
    }
    given = helper.make_tensor_value_info("input", TensorProto.UINT8, ["batch", 3, 16, 16])
    says = told(preprocess, classes)
    if doubts:
        seen = np.repeat(np.array(list(COLOURS.values()), np.float32) / 255, 40, axis=0)
        noise = np.random.default_rng(1).normal(scale=0.01, size=seen.shape)
        says["files"] = {kept.NAME: doubtful(file, (seen + noise).astype(np.float32))}
    if examples:
        shades = [colour for colour in COLOURS.values() for _ in range(2)]
        pictures = [picture(one, kind="WEBP") for one in shades]
        labels = [name for name in COLOURS for _ in range(2)]
        says.setdefault("files", {}).update(exemplary(file, np.array(shades) / 255, labels, pictures=pictures))
    return saved(file, nodes, given, constants, says)


def priced_net(file, blocks=BLOCKS):
    """Write a network of pictures whose logits are the first of what is beside them, and the sum of all of it."""
    width = sum(one["width"] for one in blocks)
    nodes = [
        helper.make_node("Cast", ["input"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["wide", "axes"], ["means"], keepdims=0),
        helper.make_node("Concat", ["means", "beside"], ["features"], axis=1),
        helper.make_node("MatMul", ["beside", "weights"], ["logits"]),
    ]
    weights = np.full((width, 2), SMALL, np.float32)
    weights[1:, 0] = 0
    constants = {"axes": np.array([2, 3], np.int64), "weights": weights}
    given = helper.make_tensor_value_info("input", TensorProto.UINT8, ["batch", 3, 16, 16])
    beside = helper.make_tensor_value_info("beside", TensorProto.FLOAT, ["batch", width])
    return saved(file, nodes, [given, beside], constants, {**told(FORM, ("price", "all")), "beside": blocks})


def letter_net(file, *, examples=False):
    """Write a network of texts of any length: whether the mean byte is small (capitals) or large."""
    preprocess = Text(max_length=64)
    nodes = [
        helper.make_node("Cast", ["input"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("GreaterOrEqual", ["wide", "zero"], ["real"]),
        helper.make_node("Cast", ["real"], ["share"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["wide", "share"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axes"], ["total"], keepdims=1),
        helper.make_node("ReduceSum", ["share", "axes"], ["count"], keepdims=1),
        helper.make_node("Div", ["total", "count"], ["features"]),
        helper.make_node("Sub", ["features", "middle"], ["off"]),
        helper.make_node("MatMul", ["off", "weights"], ["logits"]),
    ]
    constants = {
        "zero": np.float32(0),
        "axes": np.array([1], np.int64),
        "middle": np.float32(93),
        "weights": np.array([[-0.1, 0.1]], np.float32),
    }
    given = helper.make_tensor_value_info("input", TensorProto.INT32, ["batch", "length"])
    says = told(preprocess, ("capitals", "small letters"))
    if examples:
        texts = ["where is my parcel", "A TEXT OF THE TRAINING DATA " * 20]
        says["files"] = exemplary(file, [[110.0], [70.0]], ("small letters", "capitals"), texts=texts)
    return saved(file, nodes, given, constants, says)


def picture(colour="red", side=20, kind="PNG"):
    out = io.BytesIO()
    Picture.new("RGB", (side, side), COLOURS.get(colour, colour)).save(out, kind)
    return out.getvalue()


def spotted():
    """Return a picture, dark but for a blue spot in its lower right corner, on which its colour hangs."""
    found = np.full((64, 64, 3), (90, 90, 60), np.uint8)
    found[40:, 40:] = (0, 0, 255)
    out = io.BytesIO()
    Picture.fromarray(found).save(out, "PNG")
    return out.getvalue()


@contextmanager
def running(sources, *, keys=True, watch=0.0, runtime="onnxruntime", wrap=None, keep=None, **limits):
    """Yield a client of a server that runs in a thread, and its house."""
    place = Place(port=0, open=not keys, watch_seconds=watch, limits=Limits(**limits))
    keeping = Keeping(keep, 10) if keep else None
    found = [Source(name, file) for name, file in sources.items()]
    house = House(found, place.limits, runtime=runtime, keeping=keeping)
    house.open(lambda sentence: None)
    if wrap is not None:
        wrap(house)
    app = built(house, place, Keys((fingerprint(KEY),)) if keys else None)
    bound = socket.create_server(("127.0.0.1", 0))
    kind = type("Patient", (Patient,), {"seconds": place.limits.body_seconds})
    server = uvicorn.Server(uvicorn.Config(app, http=kind, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    address = f"http://127.0.0.1:{bound.getsockname()[1]}"
    headers = {"authorization": f"Bearer {KEY}"} if keys else {}
    try:
        while not server.started:
            time.sleep(0.01)
        with httpx.Client(base_url=address, headers=headers, timeout=20, trust_env=False) as client:
            yield client, house
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
