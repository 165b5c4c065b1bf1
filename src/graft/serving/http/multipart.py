"""Uploads of forms, read in memory: nothing that a client sends is written to a disk."""

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from graft.serving.http.faults import Refused

BAD = "The body must be a form as RFC 7578 has it. Got something else. Send it as `curl -F file=@photo.jpg` does."
HEADERS = 4096
"""Bytes of the headers of one part."""


@dataclass
class Part:
    """One field of a form."""

    name: str
    file: str | None
    """The name that the client gave a file; shown back to it, never opened."""
    content: bytes


class _Reader:
    """Collects the parts while the parser goes over the body."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.parts: list[Part] = []
        self.begin()

    def begin(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.name, self.value, self.content = b"", b"", bytearray()

    def header_end(self) -> None:
        self.headers[self.name.lower()] = self.value
        self.name, self.value = b"", b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self.name += data[start:end]
        self._checked()

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]
        self._checked()

    def _checked(self) -> None:
        if len(self.name) + len(self.value) > HEADERS:
            raise Refused(400, BAD)

    def data(self, data: bytes, start: int, end: int) -> None:
        self.content += data[start:end]

    def end(self) -> None:
        kind, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise Refused(400, BAD)
        file = options.get(b"filename")
        shown = None if file is None else file.decode("utf-8", "replace")
        self.parts.append(Part(options[b"name"].decode("utf-8", "replace"), shown, bytes(self.content)))
        if len(self.parts) > self.most:
            sentence = f"A form must have at most {self.most} fields. Got more. Send them in several requests."
            raise Refused(413, sentence)


def read(body: bytes, content_type: str, most: int) -> list[Part]:
    """Return the parts of a form, at most so many. Raises Refused."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise Refused(400, BAD)
    reader = _Reader(most)
    ended: list[bool] = []
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": reader.begin,
                "on_part_data": reader.data,
                "on_part_end": reader.end,
                "on_header_field": reader.header_field,
                "on_header_value": reader.header_value,
                "on_header_end": reader.header_end,
                "on_end": lambda: ended.append(True),
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise Refused(400, BAD) from None
    if not ended:
        raise Refused(400, BAD)
    return reader.parts
