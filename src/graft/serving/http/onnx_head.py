"""What an ONNX file says of itself, read off its bytes: no library is loaded, and the weights are passed over.

Source: onnx.proto3 of github.com/onnx/onnx, and the wire format of protocol buffers.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TYPES = {1: "float32", 2: "uint8", 6: "int32", 7: "int64"}
"""TensorProto.DataType, as far as networks are served."""
GRAPH, METADATA = 7, 14
INITIALIZER, INPUT, OUTPUT = 5, 11, 12
VARINT, WIDE, BYTES, NARROW = 0, 1, 2, 5


@dataclass(frozen=True)
class Tensor:
    """An input or output of a network."""

    name: str
    dtype: str | None
    """None for a kind that no network here takes."""
    shape: tuple[int | None, ...]
    """The batch axis first; None where any length will do."""


@dataclass(frozen=True)
class Head:
    """What stands in a file beside its weights."""

    metadata: dict[str, str]
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]


def read(file: Path) -> Head:
    """Return the head of an ONNX file. Raises OSError where it cannot be read, ValueError where it is none."""
    with file.open("rb") as stream:
        if not stream.seek(0, 2):
            raise ValueError("an empty file")
        # It ends with the last view of it, which a fault may hold longer than this function.
        whole = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        return _head(whole)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("no ONNX file") from error


def _head(whole: memoryview) -> Head:
    metadata: dict[str, str] = {}
    given: list[Tensor] = []
    outputs: list[str] = []
    constants: set[str] = set()
    for number, content in _fields(whole):
        if number == METADATA:
            pair = {key: _text(value) for key, value in _fields(content) if key in (1, 2)}
            metadata[pair.get(1, "")] = pair.get(2, "")
        elif number == GRAPH:
            for kind, part in _fields(content):
                if kind == INPUT:
                    given.append(_tensor(part))
                elif kind == OUTPUT:
                    outputs.append(_tensor(part).name)
                elif kind == INITIALIZER:
                    constants.update(_text(value) for key, value in _fields(part) if key == 8)
    if not outputs:
        raise ValueError("no ONNX file")
    return Head(metadata, tuple(one for one in given if one.name not in constants), tuple(outputs))


def _tensor(content: memoryview) -> Tensor:
    """Return a ValueInfoProto."""
    name, dtype, shape = "", None, []
    for number, part in _fields(content):
        if number == 1:
            name = _text(part)
        elif number == 2:
            for kind, tensor in _fields(part):
                for key, value in _fields(tensor) if kind == 1 else ():
                    if key == 1:
                        dtype = TYPES.get(_whole(value))
                    elif key == 2:
                        shape = [_length(axis) for which, axis in _fields(value) if which == 1]
    return Tensor(name, dtype, tuple(shape))


def _length(axis: memoryview) -> int | None:
    found = [_whole(value) for key, value in _fields(axis) if key == 1]
    return found[0] if found else None


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the fields of a message by number; of a number, its bytes. Raises ValueError, IndexError."""
    place, end = 0, len(content)
    while place < end:
        tag, place = _varint(content, place)
        kind, start = tag & 7, place
        if kind == VARINT:
            _, place = _varint(content, place)
        elif kind == BYTES:
            size, start = _varint(content, place)
            place = start + size
        elif kind in (WIDE, NARROW):
            place += 8 if kind == WIDE else 4
        else:
            raise ValueError("no protocol buffer")
        if place > end:
            raise ValueError("cut off")
        yield tag >> 3, content[start:place]


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("no protocol buffer")


def _whole(content: memoryview) -> int:
    return _varint(content, 0)[0]


def _text(content: memoryview) -> str:
    return bytes(content).decode("utf-8")
