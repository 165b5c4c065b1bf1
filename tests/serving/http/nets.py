"""Small exported networks for the server's tests, made by hand in ONNX as `graft export` writes them; no torch."""

import io
import json
import socket
import threading
import time
from contextlib import contextmanager

import httpx
import numpy as np
import onnx
import uvicorn
from onnx import TensorProto, helper, numpy_helper
from PIL import Image as Picture

from graft.preprocess.image import Image
from graft.preprocess.text import Text
from graft.serving.http import Limits, Place
from graft.serving.http.app import built
from graft.serving.http.house import House
from graft.serving.http.keys import Keys, fingerprint
from graft.serving.http.prepare import Source

KEY = "the-right-key"
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def saved(file, nodes, given, constants, told):
    graph = helper.make_graph(
        nodes,
        "net",
        [given],
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


def colour_net(file, *, classes=tuple(COLOURS), sharp=8.0):
    """Write a network that says which colour a picture has most of: its features are the three means."""
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
    return saved(file, nodes, given, constants, told(preprocess, classes))


def letter_net(file):
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
    return saved(file, nodes, given, constants, told(preprocess, ("capitals", "small letters")))


def picture(colour="red", side=20, kind="PNG"):
    out = io.BytesIO()
    Picture.new("RGB", (side, side), COLOURS[colour]).save(out, kind)
    return out.getvalue()


@contextmanager
def running(sources, *, keys=True, watch=0.0, runtime="onnxruntime", wrap=None, **limits):
    """Yield a client of a server that runs in a thread, and its house."""
    place = Place(port=0, open=not keys, watch_seconds=watch, limits=Limits(**limits))
    house = House([Source(name, file) for name, file in sources.items()], place.limits, runtime=runtime)
    house.open(lambda sentence: None)
    if wrap is not None:
        wrap(house)
    app = built(house, place, Keys((fingerprint(KEY),)) if keys else None)
    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
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
