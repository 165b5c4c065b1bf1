"""The server: FastAPI over the fastest runtime that agrees, in a process without torch. Needs the extra ``serve``."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from graft.errors import NotInstalledError, must
from graft.serving.http.settings import Limits, Place

__all__ = ["Limits", "Place", "serve"]
NEEDED = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "httptools": "httptools",
    "python_multipart": "python-multipart",
    "onnxruntime": "onnxruntime",
}


def serve(
    models: Sequence[str | Path],
    *,
    place: Place | None = None,
    runtime: str = "auto",
    workers: int = 0,
    say: Callable[[str], None] = print,
    ready: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Serve model folders or exported files until a signal comes; ``name=folder`` gives one another name.

    ``runtime`` is ``auto``, ``openvino`` or ``onnxruntime``; ``say`` is told the address and, once, the key;
    ``ready``, where it is given, is told them as plain data instead. With ``workers``, so many processes answer, and
    one that dies is replaced; with 0 this process answers itself.
    Raises NotInstalledError, SettingError, ArtifactError.
    """
    absent = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if absent:
        do = "Install it with `pip install 'graft-ml[serve]'`"
        raise NotInstalledError(must("the server", "installed", f"no {', '.join(absent)}", do))
    if workers:
        from graft.serving.http.workers import supervise

        supervise([str(one) for one in models], place or Place(), workers, runtime=runtime, say=say, ready=ready)
        return
    from graft.serving.http.start import serve

    serve(list(models), place=place, runtime=runtime, say=say, ready=ready)
