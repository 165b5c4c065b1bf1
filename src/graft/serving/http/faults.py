"""What a server says when it cannot answer: a status and one sentence, never a path or a traceback."""

from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass
class Refused(Exception):
    """A request that is not answered."""

    status: int
    sentence: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> dict[str, str]:
        """``{"error": ..., "message": ...}``."""
        return {"error": HTTPStatus(self.status).phrase.lower(), "message": self.sentence}


def busy(seconds: int = 1) -> Refused:
    """Return the refusal of a full queue."""
    sentence = f"The server has as many inputs as it can take. Try again in {seconds} s."
    return Refused(503, sentence, {"retry-after": str(seconds)})


def late() -> Refused:
    """Return the refusal of what took too long."""
    return Refused(504, "The answer took too long. Ask again, with fewer inputs at once.")
