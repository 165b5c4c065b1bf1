"""``graft serve``: models behind an address, with a page to try them on."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from graft.cli import options
from graft.cli.terminal import emit, inert


def serve(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Model folders or files of `graft export`; NAME=FOLDER names one."),
    ],
    host: Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="Keep the key's hash here.  Default: a new key at every start.")
    ] = None,
    no_key: Annotated[bool, typer.Option("--no-key", help="Answer without a key, on this machine alone.")] = False,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate chain, PEM, for https.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its private key, PEM.")] = None,
    runtime: Annotated[str, typer.Option("--runtime", help="auto, openvino or onnxruntime.")] = "auto",
    watch: Annotated[
        float, typer.Option("--watch", min=0, help="Seconds between looks for a new version; 0: never.")
    ] = 2.0,
    max_bytes: Annotated[int, typer.Option("--max-bytes", min=1, help="The most bytes of a request.")] = 16 << 20,
    max_pixels: Annotated[int, typer.Option("--max-pixels", min=1, help="Refuse larger images.")] = 50_000_000,
    max_seconds: Annotated[float, typer.Option("--max-seconds", min=0.01, help="Refuse longer recordings.")] = 600.0,
    max_inputs: Annotated[int, typer.Option("--max-inputs", min=1, help="The most inputs of a request.")] = 64,
    queue: Annotated[int, typer.Option("--queue", min=1, help="Inputs that may wait; beyond them: 503.")] = 128,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Requests a second of one address; 0: any.")] = 0.0,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds until an answer is given up.")] = 10.0,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="FOLDER", help="Keep inputs whose answers are not accepted here.")
    ] = None,
    keep_most: Annotated[int, typer.Option("--keep-most", min=1, help="The most inputs of a model kept.")] = 1000,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes that answer, replaced where they die; 0: this one.")
    ] = 0,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Serve models over HTTP, with a page to try them on; the address and the key are printed."""
    from graft.errors import unknown_name
    from graft.serving import http

    if runtime not in ("auto", "openvino", "onnxruntime"):
        raise unknown_name("a runtime", runtime, ("auto", "openvino", "onnxruntime"), "graft serve --help")
    limits = http.Limits(
        bytes=max_bytes,
        pixels=max_pixels,
        seconds=max_seconds,
        inputs=max_inputs,
        queue=max(queue, 1),
        rate=rate,
        answer_seconds=timeout,
    )
    place = http.Place(
        host=host,
        port=port,
        certificate=tls_cert,
        private_key=tls_key,
        key_file=key_file,
        open=no_key,
        keep=keep,
        keep_most=keep_most,
        watch_seconds=watch,
        limits=limits,
    )

    def emit_now(plain: dict[str, Any]) -> None:
        emit(plain)
        sys.stdout.flush()

    def say(sentence: str) -> None:
        print(inert(sentence), file=sys.stderr, flush=True)

    http.serve(models, place=place, runtime=runtime, workers=workers, say=say, ready=emit_now if as_json else None)
