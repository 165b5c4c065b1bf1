"""A memory map read as a file: for libraries that take file objects, without a copy of the whole."""

import io
from typing import Any


class Mapped(io.RawIOBase):
    """A memory map as a file that is read without a copy of the whole; a place beyond its end is allowed, as in one."""

    def __init__(self, content: Any) -> None:
        self.content = content
        self.place = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place."""
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the place and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: len(self.content)}[whence]
        self.place = max(0, base + offset)
        return self.place

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as there is content, and return how far."""
        block = self.content[self.place : self.place + len(buffer)]
        buffer[: len(block)] = block
        self.place += len(block)
        return len(block)


def as_file(content: bytes) -> io.RawIOBase | io.BytesIO:
    """Return bytes, or a memory map given in their place, as a file."""
    return io.BytesIO(content) if isinstance(content, bytes) else Mapped(content)
