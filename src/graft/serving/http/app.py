"""The routes of the server: /predict and what stands around it; the inference protocol is in ``v2``."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any

import psutil
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from graft import __version__
from graft.errors import GraftError
from graft.serving.http import asked, v2
from graft.serving.http.explain import Explainer
from graft.serving.http.faults import Refused
from graft.serving.http.gate import Direct, Gate
from graft.serving.http.house import LOG, House
from graft.serving.http.keys import Keys
from graft.serving.http.metrics import labelled
from graft.serving.http.schemas import ASK, FAULTS, PREDICT, RELOAD, Answers
from graft.serving.http.served import Served, refusal
from graft.serving.http.settings import Place

OLD = "It was fitted or exported by an older version, which kept nothing to compare with. Fit or export it again"
NO_EXAMPLES = "nearest must be left out. Got it for a model that keeps no examples. Fit it with --keep-examples."
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def built(house: House, place: Place, keys: Keys | None) -> Gate:
    """Return the server as one ASGI application; ``keys`` None answers everyone."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        watcher = asyncio.create_task(house.watch(place.watch_seconds)) if place.watch_seconds else None
        yield
        if watcher is not None:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
        await asyncio.to_thread(house.close)

    app = FastAPI(
        title="Graft",
        version=__version__,
        summary="Answers of fitted models.",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        exception_handlers={HTTPException: _http_fault, Refused: _refused},
    )
    _page(app)
    _state(app, house, open_to_all=keys is None)
    direct = _work(app, house)
    _watch(app, house)
    v2.routes(app, house)
    return Gate(app, place=place, keys=keys, house=house, direct=direct)


async def _http_fault(request: Request, error: Exception) -> Response:
    """Answer what no route takes; nothing of what was asked is shown back."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    sentence = {
        404: "There is nothing at this address. See /openapi.json for what there is.",
        405: "This address takes another method. See /openapi.json.",
    }.get(status, "The request is not as it must be. See /openapi.json.")
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return JSONResponse(Refused(status, sentence).plain, status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    refused = error if isinstance(error, Refused) else Refused(500, "The server failed at this request.")
    return JSONResponse(refused.plain, refused.status, refused.headers)


def _page(app: FastAPI) -> None:
    """Add the page, which is kept in memory."""
    for path, (name, kind) in PAGE.items():
        content = files("graft.serving.http").joinpath("page", name).read_bytes()

        async def sent(content: bytes = content, kind: str = kind) -> Response:
            return Response(content, media_type=kind)

        async def route(request: Request, sent: Any = sent) -> Response:
            found: Response = await sent()
            return found

        app.add_route(path, route, methods=["GET"], include_in_schema=False)


def _state(app: FastAPI, house: House, *, open_to_all: bool) -> None:
    """Add what tells of the server's state."""

    @app.get("/health", summary="Whether the server lives")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", summary="Whether it takes requests", responses={503: FAULTS[503]})
    async def ready() -> dict[str, Any]:
        if house.leaving or not house.models:
            raise Refused(503, "The server is not ready. Ask again soon.", {"retry-after": "5"})
        return {"status": "ready", "key": not open_to_all}

    @app.get("/models", summary="The models, and what each answers with", responses={401: FAULTS[401]})
    async def models() -> dict[str, Any]:
        return {"models": [_described(one) for one in house.models.values()]}

    @app.get("/metrics", summary="Counts and times for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        process = psutil.Process()
        gauges = {
            "graft_waiting_inputs": ("Inputs that wait or are worked on.", {"": float(house.room.taken)}),
            "graft_resident_bytes": ("Memory of the process.", {"": float(process.memory_info().rss)}),
            "graft_model_info": (
                "The models served; the value is 1.",
                {f'{labelled(one.name)},version="{one.version}"': 1.0 for one in house.models.values()},
            ),
        }
        return PlainTextResponse(house.metrics.text(gauges), media_type="text/plain; version=0.0.4; charset=utf-8")


def _described(served: Served) -> dict[str, Any]:
    return {
        "name": served.name,
        "version": served.version,
        "modality": served.told["modality"],
        "task": served.told["task"]["name"],
        "classes": list(served.task.classes),
        "runtime": served.runner.name,
        "limits": {"bytes": served.limits.bytes, "pixels": served.limits.pixels, "seconds": served.limits.seconds},
        "report": served.report is not None,
        "columns": served.columns_told,
        "abstains": served.watching is not None,
        "examples": 0 if served.exemplars is None else len(served.exemplars.labels),
    }


def _work(app: FastAPI, house: House) -> Mapping[str, Direct]:
    """Add what does the work; return what of it the gate calls itself: the framework only describes that."""

    @app.post(
        "/predict",
        summary="Answer for one input or several",
        response_model=Answers,
        responses=FAULTS,
        openapi_extra=ASK,
    )
    async def predict(request: Request) -> Response:
        content = await asked.body(request, house.limits)
        found = asked.asked(content, request.headers.get("content-type", ""), house.limits)
        served = house.named(found.model or request.query_params.get("model"))
        near = asked.count(request.query_params.get("nearest"))
        if near and served.exemplars is None:
            raise Refused(400, NO_EXAMPLES)
        outcomes = await house.ask(served, found.inputs)
        predictions = []
        for name, outcome in zip(found.names, outcomes, strict=True):
            if isinstance(outcome, Exception):
                refused = refusal(outcome)
                if len(outcomes) == 1 or refused.status >= 500:
                    house.metrics.answer(served.name, "unreadable")
                    raise refused
                told: dict[str, Any] = {"error": refused.sentence}
            else:
                told = served.answer(outcome) | (served.nearest(outcome, near) if near else {})
            house.metrics.answer(served.name, _outcome(told))
            predictions.append({"input": name, **told})
        return JSONResponse({"model": served.name, "version": served.version, "predictions": predictions})

    @app.post("/admin/reload", summary="Load new versions now", responses=FAULTS, openapi_extra=RELOAD)
    async def reload(request: Request) -> dict[str, Any]:
        name = request.query_params.get("model")
        if name is not None:
            house.named(name)
        try:
            return {"versions": await house.reload(name)}
        except GraftError as error:
            LOG.warning("not reloaded: %s", error)
            sentence = "The new version cannot be served. The server's log says why. The old one goes on."
            raise Refused(409, sentence) from None

    @app.get("/models/{name}/report", summary="The report of the fit, as a page", responses=FAULTS)
    async def report(name: str) -> Response:
        served = house.named(name)
        if served.report is None:
            raise Refused(404, "The model has no report. Fit it with --out, and serve its folder.")
        try:
            content = await asyncio.to_thread(served.report.read_bytes)
        except OSError:
            raise Refused(404, "The model has no report any more. Fit it again.") from None
        policy = "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
        headers = {"content-security-policy": policy, "content-disposition": 'attachment; filename="report.html"'}
        return Response(content, media_type="text/html; charset=utf-8", headers=headers)

    return {"/predict": predict}


def _watch(app: FastAPI, house: House) -> None:
    """Add what tells of answers: drift, and where the model looked."""
    explainer = Explainer(house)

    @app.get("/drift", summary="Whether what is asked is like the training data", responses=FAULTS)
    async def drift() -> dict[str, Any]:
        return {"models": {name: {"version": one.version, **_drift(one)} for name, one in house.models.items()}}

    @app.get("/models/{name}/drift", summary="The statistics that `graft watch --log` reads", responses=FAULTS)
    async def statistics(name: str) -> dict[str, Any]:
        served = house.named(name)
        if served.watching is None:
            raise Refused(404, f"The model must know its training data. {OLD}.")
        return served.watching.statistics()

    @app.post("/explain", summary="What an answer hangs on", responses=FAULTS, openapi_extra=PREDICT)
    async def explain(request: Request) -> Response:
        content = await asked.body(request, house.limits)
        found = asked.asked(content, request.headers.get("content-type", ""), house.limits)
        served = house.named(found.model or request.query_params.get("model"))
        if len(found.inputs) != 1:
            raise Refused(400, f"One input must be given. Got {len(found.inputs)}. Ask for each by itself.")
        return JSONResponse(await explainer.explain(served, found.inputs[0]))


def _drift(served: Served) -> dict[str, Any]:
    return served.watching.told() if served.watching is not None else {"inputs": None, "reason": OLD}


def _outcome(told: dict[str, Any]) -> str:
    if "error" in told:
        return "unreadable"
    return "abstained" if told.get("accepted") is False else "accepted"
