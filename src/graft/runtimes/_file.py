"""Networks that come as an ONNX file: opened on the first runtime that can."""

from graft.errors import NotInstalledError, SettingError, must
from graft.runtimes._base import Compiled
from graft.runtimes._choose import ORDER, REGISTRY, wish
from graft.runtimes._memory import Choice


def opened(
    content: bytes,
    shape: tuple[int, ...],
    *,
    batch: int,
    device: str = "auto",
    runtime: str = "auto",
    axes: int = 0,
) -> tuple[Compiled, Choice]:
    """Return an ONNX network ready for inputs of ``shape`` (without the batch axis), and what runs it.

    So many first ``axes`` of the inputs may differ from batch to batch.
    ``runtime`` is auto (OpenVINO, else ONNX Runtime), one of them, or one with a precision for what is not in 8 bits;
    without one that is what the processor is fast at.
    Raises SettingError for a device or runtime that runs no files, NotInstalledError where none is here, and
    RuntimeError where the file cannot be run.
    """
    asked = wish("cpu" if device == "auto" else device, runtime)
    if asked.runtime not in ("auto", *ORDER) or asked.device != "cpu":
        got = f"{asked.runtime} on {asked.device}"
        do = "Leave --runtime and --device out, or load the model that was compressed"
        raise SettingError(must("what runs a quantised network", f"{' or '.join(ORDER)} on the cpu", got, do))
    names = ORDER if asked.runtime == "auto" else (asked.runtime,)
    here = [name for name in names if not _missing(name)]
    if not here:
        do = f"pip install {names[0]}"
        raise NotInstalledError(must("what runs a quantised network", "installed", f"no {' or '.join(names)}", do))
    notes: list[str] = []
    for name in here:
        # Ten of the 49 convolutions of EfficientNet-Lite0 left in float cost 60 % of the time at a batch of 32 in
        # float32, and 12 % in bfloat16.
        precision = asked.precision if asked.precision != "auto" else REGISTRY.get(name).candidates("cpu")[0]
        try:
            ready = REGISTRY.create(name, {"precision": precision}).read(content, shape, batch=batch, axes=axes)
        except RuntimeError as error:
            notes.append(f"{name} was left out: {error}")
            continue
        return ready, Choice(
            runtime=name,
            precision=precision,
            device="cpu",
            batch=batch,
            version=REGISTRY.get(name).version(),
            reason="the network is a file in 8 bits",
            notes=tuple(notes),
        )
    raise RuntimeError(f"no runtime can run the network's file: {'; '.join(notes)}")


def _missing(name: str) -> str | None:
    # Exporting needs more packages than running does.
    return None if name == "onnxruntime" and _installed(name) else REGISTRY.get(name).missing()


def _installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None
