"""The Open Inference Protocol, version 2, over HTTP: github.com/kserve/open-inference-protocol."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from graft import __version__
from graft.serving.http import asked
from graft.serving.http.faults import Refused
from graft.serving.http.house import House
from graft.serving.http.schemas import FAULTS, INFER
from graft.serving.http.served import Input, Outcome, Served, refusal

TYPES = {"uint8": "UINT8", "float32": "FP32"}
"""Tensors that are taken as they are; tokens are not, since a number that no vocabulary has reads past its end."""
BYTES = "BYTES"
COLUMN = "columns."
"""Before the name of a column of a table, which so is no other tensor's."""
CELLS = {"numbers": "FP64", "categories": BYTES}


def routes(app: FastAPI, house: House) -> None:
    """Add the routes of the protocol."""

    @app.get("/v2", summary="The server")
    async def server() -> dict[str, Any]:
        return {"name": "graft", "version": __version__, "extensions": []}

    @app.get("/v2/health/live", summary="Whether the server lives")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/v2/health/ready", summary="Whether it takes requests", responses={503: FAULTS[503]})
    async def ready() -> dict[str, bool]:
        if house.leaving:
            raise Refused(503, "The server is shutting down.", {"retry-after": "5"})
        return {"ready": True}

    @app.get("/v2/models/{name}", summary="What a model takes and gives", responses=FAULTS)
    async def model(name: str) -> dict[str, Any]:
        return _described(house.named(name))

    @app.get("/v2/models/{name}/ready", summary="Whether a model takes requests", responses=FAULTS)
    async def model_ready(name: str) -> dict[str, Any]:
        return {"name": house.named(name).name, "ready": True}

    @app.post("/v2/models/{name}/infer", summary="Answer for a batch", responses=FAULTS, openapi_extra=INFER)
    async def infer(name: str, request: Request) -> Response:
        served = house.named(name)
        plain = asked.parsed(await asked.body(request, house.limits))
        inputs = _inputs(served, plain)
        outcomes = await house.ask(served, inputs)
        good = []
        for one in outcomes:
            if isinstance(one, Exception):
                raise refusal(one)
            good.append(one)
        house.metrics.answer(served.name, "accepted", len(good))
        told: dict[str, Any] = {
            "model_name": served.name,
            "model_version": served.version,
            "outputs": _outputs(served, good, plain.get("outputs")),
        }
        if isinstance(plain.get("id"), str):
            told["id"] = plain["id"]
        return JSONResponse(told)


def _described(served: Served) -> dict[str, Any]:
    shape = [-1, *(-1 if one is None else one for one in served.exported.shape)]
    kind = None if served.beside else TYPES.get(served.exported.dtype)
    tensors = [{"name": served.exported.input, "datatype": kind, "shape": shape}] if kind else []
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": served.runner.name.replace(" ", "_"),
        "inputs": [
            *tensors,
            {"name": "content", "datatype": BYTES, "shape": [-1]},
            *(
                {"name": COLUMN + one["name"], "datatype": CELLS[one["kind"]], "shape": [-1]}
                for one in served.columns_told
            ),
        ],
        "outputs": [
            {"name": "label", "datatype": BYTES, "shape": [-1]},
            {"name": "probability", "datatype": "FP64", "shape": [-1]},
            {"name": "logits", "datatype": "FP32", "shape": [-1, served.task.outputs]},
        ],
    }


def _inputs(served: Served, plain: dict[str, Any]) -> list[Input]:
    """Return the inputs of a request: ``content`` with texts or base64, or the network's own tensor. Raises Refused.

    Beside it stands a tensor for each column of a table that the model takes.
    """
    tensors = plain.get("inputs")
    if not isinstance(tensors, list) or not all(isinstance(one, dict) for one in tensors):
        raise Refused(400, "inputs must be a list of tensors. Got something else. See /v2/models/NAME.")
    columns: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for one in tensors:
        (columns if str(one.get("name")).startswith(COLUMN) else others).append(one)
    if len(others) != 1:
        wanted = "one tensor, and perhaps one a column"
        raise Refused(400, f"inputs must be {wanted}. Got {len(others)} beside the columns. See /v2/models/NAME.")
    inputs = _given(served, others[0])
    cells = {one["name"].removeprefix(COLUMN): _cells(one, len(inputs)) for one in columns}
    if sorted(cells) != sorted(served.columns) or len(cells) < len(columns):
        wanted = ", ".join(COLUMN + one for one in served.columns) or "no columns"
        raise Refused(422, f"Beside it inputs must have {wanted}, each once. Got others. See /v2/models/{served.name}.")
    return [replace(one, cells={name: cells[name][row] for name in cells}) for row, one in enumerate(inputs)]


def _cells(tensor: dict[str, Any], count: int) -> list[str | None]:
    """Return a column's cells, as many as there are inputs; null is an empty one. Raises Refused."""
    values = tensor.get("data")
    if not isinstance(values, list) or tensor.get("shape") not in ([count], [count, 1]) or len(values) != count:
        raise Refused(400, f"A column must have {count} values, as its shape says, one an input. Got something else.")
    return asked.cells(str(tensor["name"]), values)


def _given(served: Served, tensor: dict[str, Any]) -> list[Input]:
    name, kind, shape, data = (tensor.get(key) for key in ("name", "datatype", "shape", "data"))
    if not isinstance(data, list) or not isinstance(shape, list) or not all(type(one) is int for one in shape):
        raise Refused(400, "A tensor must have a name, a datatype, a shape and its data. Got something else.")
    if kind == BYTES and name == "content":
        return _contents(tensor, shape, data)
    # A tensor comes without the bytes that descriptors are made of.
    own = None if served.beside else TYPES.get(served.exported.dtype)
    if own is None or kind != own or name != served.exported.input:
        wanted = f"content of {BYTES}" + (f", or {served.exported.input} of {own}" if own else "")
        raise Refused(400, f"The tensor must be {wanted}. Got another. See /v2/models/{served.name}.")
    return [Input(array=one) for one in _array(served, shape, data)]


def _contents(tensor: dict[str, Any], shape: list[int], data: list[Any]) -> list[Input]:
    if shape not in ([len(data)], [len(data), 1]) or not data or not all(isinstance(one, str) for one in data):
        raise Refused(400, "content must be a list of strings whose number its shape says. Got something else.")
    parameters = tensor.get("parameters")
    coded = isinstance(parameters, dict) and parameters.get("content_type") == "base64"
    return [Input(asked.decoded(one) if coded else asked.encoded(one)) for one in data]


def _array(served: Served, shape: list[int], data: list[Any]) -> np.ndarray:
    """Return the rows of a tensor. Raises Refused for another shape, or values that are none."""
    wanted = served.exported.shape
    if tuple(shape[1:]) != wanted or shape[0] < 1:
        shown = ", ".join("any" if one is None else str(one) for one in (None, *wanted))
        raise Refused(400, f"The shape must be ({shown}). Got another. See /v2/models/{served.name}.")
    if shape[0] > served.limits.inputs:
        raise Refused(413, f"A request must have at most {served.limits.inputs} inputs. Got {shape[0]}.")
    try:
        values = np.asarray(data, np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        raise Refused(400, "The data must be numbers, as many in each row. Got something else.") from None
    kind = np.dtype(served.exported.dtype)
    if values.size != math.prod(shape) or not np.isfinite(values).all():
        raise Refused(400, f"The data must be {math.prod(shape):,} finite numbers, as the shape says. Got others.")
    if kind.kind == "u" and (values.min() < 0 or values.max() > 255 or (values != np.trunc(values)).any()):
        raise Refused(400, "The data must be whole numbers from 0 to 255. Got others.")
    return np.asarray(values.reshape(shape), kind)


def _outputs(served: Served, outcomes: list[Outcome], wanted: object) -> list[dict[str, Any]]:
    """Return the outputs that were asked for, all of them where none was named. Raises Refused."""
    answers = [served.answer(one) for one in outcomes]
    logits = np.stack([one.logits for one in outcomes])
    labels = [str(one.get("label", "|".join(one.get("labels", [])) or one.get("value", ""))) for one in answers]
    known: dict[str, dict[str, Any]] = {
        "label": {"datatype": BYTES, "shape": [len(answers)], "data": labels},
        "probability": {
            "datatype": "FP64",
            "shape": [len(answers)],
            "data": [one.get("probability", 0.0) for one in answers],
        },
        "logits": {
            "datatype": "FP32",
            "shape": list(logits.shape),
            "data": [round(float(one), 6) for one in logits.ravel()],
        },
    }
    if served.task.form == "number":
        del known["probability"]
    names = list(known)
    if wanted is not None:
        good = isinstance(wanted, list) and all(isinstance(one, dict) for one in wanted)
        names = [one.get("name") for one in wanted] if good and isinstance(wanted, list) else [""]
        if not names or not all(isinstance(one, str) and one in known for one in names):
            raise Refused(400, f"outputs must be of {', '.join(known)}. Got another.")
    return [{"name": one, **known[one]} for one in names]
