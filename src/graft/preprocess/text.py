"""Texts: decoded from UTF-8 (or UTF-16 with its mark), cut into the tokens that a network was trained on."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from graft.errors import SettingError, UnreadableInputError, must
from graft.preprocess import _text_augment, _text_features, _text_own, _text_tokens, _text_windows
from graft.preprocess._base import Facts, Preprocess, rebuilt
from graft.types import Alike, Finding

RECIPE = 1
"""Version of the recipe: raise it whenever the same bytes and settings would give other values."""
STEP = 4
"""Lengths are rounded up to a multiple of this many tokens, and of an eighth of their power of two: the rarer a length,
the fewer kinds, since each kind ends in a batch that is not full."""
BINARY = 0.05
"""Share of NUL characters from which a text is taken for something else."""
EXCERPT = 600
"""Characters of a text that a report shows."""
PIECES = 60
"""Words of which a report tells what they weigh."""
FREQUENT = (
    "the of and to a in is it you that he was for on are with as I his they be at one have this from or had by not"
)
"""Words that any English vocabulary has, for inputs of no meaning."""
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
"""Characters of no width, which Unicode does not count as blanks."""
_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


@dataclass(frozen=True, kw_only=True)
class Text(Preprocess):
    """Texts: bytes in, token ids int32 (max_length,) out, padded at the end with -1."""

    modality: ClassVar[str] = "text"
    spoilt: ClassVar[str] = "spoilt"
    # Sentences of one meaning are no copies: among the 10,003 questions of banking77 the pictures' rules join 720 sets,
    # most of them of different words. A copy also has nearly all its words, in their order.
    alike: ClassVar[Alike] = Alike(alone=0.998, both=0.9, bits=9)

    max_length: int = 256
    """The most tokens that a network sees; a longer text is cut at its end."""
    max_windows: int = 1
    """The most windows of ``max_length`` tokens that a prediction reads of a longer text; 1 reads its beginning."""
    tokenizer: str = field(default="", repr=False)
    """JSON of a tokenizer of the ``tokenizers`` library; where it is empty, the bytes of a text are its tokens."""

    def __post_init__(self) -> None:
        """Check the settings. Raises SettingError."""
        if self.max_length < 4:
            raise SettingError(must("max_length", "4 tokens or more", self.max_length, "Give 128"))
        if self.max_windows < 1:
            raise SettingError(must("max_windows", "1 or more", self.max_windows, "Give 8"))

    @property
    def shape(self) -> tuple[int, ...]:
        """(max_length,), or (max_length, characters) where words are spelt out."""
        return (self.max_length, *_text_own.row(self.tokenizer))

    @property
    def dtype(self) -> str:
        """``int32``."""
        return "int32"

    def inspect(self, content: bytes, source: str) -> Facts:
        """Look at one text: whether it is one, and how many tokens are cut off. Never raises for bad content."""
        try:
            text, nul = _read(content)
        except UnreadableInputError as error:
            return Facts("unknown", (0,), (Finding("unreadable", (source,), str(error), "error"),))
        found: list[Finding] = []
        if nul:
            found.append(Finding("nul", (source,), "It holds NUL characters; they are left out.", "warning"))
        if not _text_tokens.certainly_fits(text, self.max_length):
            tokens = _text_tokens.count(text, self.tokenizer)
            if tokens > self.max_length:
                lost = tokens - self.max_length
                message = f"It has {tokens:,} tokens; the first {self.max_length} are used."
                if self.max_windows > 1:
                    windows = f"predictions read up to {self.max_windows} windows of as many"
                    message = f"It has {tokens:,} tokens; the first {self.max_length} are fitted, {windows}."
                found.append(Finding("truncated", (source,), message, "warning", {"lost": lost, "unit": "tokens"}))
        if not _text_own.knows_any(text, self.tokenizer):
            message = "The backbone's vocabulary has none of its words; its features are all 0."
            found.append(Finding("no_known_word", (source,), message, "warning"))
        return Facts("text", (len(text),), tuple(found))

    def decode(self, content: bytes) -> np.ndarray:
        """Return the text as UTF-8, uint8 (bytes,), without NUL characters. Raises UnreadableInputError."""
        return np.frombuffer(_text(content).encode("utf-8"), np.uint8)

    def parts(self, content: bytes) -> int:
        """Return how many windows read all of a text, ``max_windows`` at most. Raises UnreadableInputError."""
        text = _text(content)
        if self.max_windows == 1 or _text_tokens.certainly_fits(text, self.max_length):
            return 1
        return min(self.max_windows, _text_windows.number(_text_tokens.count(text, self.tokenizer), self.max_length))

    def part(self, content: bytes, number: int, count: int) -> np.ndarray:
        """Return one of ``count`` windows, spread evenly over the text, as UTF-8. Raises UnreadableInputError."""
        if count == 1:
            return self.decode(content)
        text = _text(content)
        share = self.max_length / _text_tokens.count(text, self.tokenizer)
        return np.frombuffer(_text_windows.window(text, number, count, share).encode("utf-8"), np.uint8)

    def shortened(self, contents: Iterable[bytes]) -> Self:
        """Return it as long as the longest of some texts, rounded up as ``length`` does."""
        lengths = [self.length(self.fit(self.decode(one))) for one in contents]
        return replace(self, max_length=max(4, *lengths)) if lengths else self

    def noise(self, seed: int) -> np.ndarray:
        """Return 1 to 40 frequent words in a random order, as ``decode`` does."""
        draw = np.random.default_rng(seed)
        words = " ".join(draw.choice(FREQUENT.split(), draw.integers(1, 41)).tolist())
        return np.frombuffer(words.encode("utf-8"), np.uint8)

    def fit(self, decoded: np.ndarray) -> np.ndarray:
        """Return view 0: token ids int32 (max_length,), padded with -1."""
        return _text_tokens.tokens(_words(decoded), self.tokenizer, self.max_length)

    def augmented(self, decoded: np.ndarray, augmentation: str, seed: int) -> np.ndarray:
        """Return the tokens of the text after some words were changed, int32 (max_length,)."""
        changed = _text_augment.augment(_words(decoded), augmentation, seed)
        found = _text_tokens.tokens(changed, self.tokenizer, self.max_length)
        return _text_augment.without_some(found, augmentation, seed)

    @staticmethod
    def augmentations() -> Mapping[str, str]:
        """Return every name that an augmentation may consist of, presets first, each with one line of help."""
        return _text_augment.augmentations()

    @staticmethod
    def check_augmentation(text: str) -> tuple[str, ...]:
        """Return the changes that ``text`` names, in their order. Raises SettingError with the nearest name."""
        return _text_augment.check_augmentation(text)

    def length(self, fitted: np.ndarray) -> int:
        """Return the number of tokens, rounded up: by 4 to 32, by 8 to 64, by 16 to 128, and so on."""
        count = max(1, int(np.count_nonzero(fitted.reshape(len(fitted), -1)[:, 0] >= 0)))
        step = max(STEP, 1 << max(0, (count - 1).bit_length() - 3))
        return min(self.max_length, -(-count // step) * step)

    @property
    def varies(self) -> bool:
        """True: what is behind a text's tokens is padding."""
        return True

    def miniature(self, fitted: np.ndarray) -> np.ndarray:
        """Return the tokens themselves, int32 (max_length,)."""
        return _text_own.single(fitted)

    @staticmethod
    def perceptual_hashes(miniatures: np.ndarray) -> np.ndarray:
        """Return the simhashes uint64 (n,) of token ids (Charikar 2002)."""
        return _text_features.perceptual_hashes(miniatures)

    def simple_features(self, fitted: np.ndarray) -> np.ndarray:
        """Return hashed counts of tokens and pairs, and the length, float32 (1025,)."""
        return _text_features.simple_features(_text_own.single(fitted))

    def picture(self, content: bytes, side: int) -> bytes | None:
        """Return None, since ``excerpt`` shows what a picture would. Raises UnreadableInputError."""
        _text(content)
        return None

    def excerpt(self, content: bytes) -> str:
        """Return the beginning of the text. Raises UnreadableInputError."""
        text = _text(content)
        return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"

    def pieces(self, content: bytes) -> tuple[tuple[str, bytes], ...]:
        """Return the first words, or the first characters where there are no blanks. Raises UnreadableInputError."""
        text = _text(content)
        found = re.findall(r"\s*\S+\s*", text[:EXCERPT])
        found = list(text[:EXCERPT]) if len(found) == 1 else found
        starts = np.cumsum([0, *(len(one) for one in found)])
        return tuple(
            (one, (text[:start] + text[start + len(one) :]).encode("utf-8"))
            for one, start in zip(found[:PIECES], starts.tolist(), strict=False)
        )

    def to_json(self) -> dict[str, Any]:
        """Return every setting, the tokenizer itself among them, the modality and the version of the recipe."""
        return {"modality": self.modality, "recipe": RECIPE, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Text":
        """Return what ``to_json`` described. Raises ArtifactError for another modality or version of the recipe."""
        return rebuilt(cls, data, RECIPE)


def _words(decoded: np.ndarray) -> str:
    return decoded.tobytes().decode("utf-8")


def _text(content: bytes) -> str:
    return _read(content)[0]


def _read(content: bytes) -> tuple[str, int]:
    """Return the text of some bytes without NUL characters, and how many it had. Raises UnreadableInputError."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        got = f"a byte that is not at {error.start:,}"
        raise UnreadableInputError(must("The text", "in UTF-8", got, "Save it again as UTF-8")) from error
    nul = text.count("\0")
    if nul > BINARY * len(text):
        got = f"{nul:,} NUL characters among {len(text):,}"
        raise UnreadableInputError(must("The text", "in UTF-8", got, "Save it again as UTF-8"))
    text = text.replace("\0", "") if nul else text
    if not text.strip().strip(INVISIBLE).strip():
        got = "nothing" if not content else "nothing but blanks"
        raise UnreadableInputError(must("The text", "of one character or more", got, "Fill it in or leave it out"))
    return text, nul
