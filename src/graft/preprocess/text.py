"""Texts: decoded from UTF-8 (or UTF-16 with its mark), cut into the tokens that a network was trained on."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from graft.errors import SettingError, UnreadableInputError, must
from graft.preprocess import _text_augment, _text_features, _text_own, _text_tokens, _text_windows
from graft.preprocess._base import Facts, Preprocess, rebuilt
from graft.types import Alike, Finding

RECIPE = 1
"""Version of the recipe: raise it whenever the same bytes and settings would give other values."""
WINDOWS_RECIPE = 2
"""That of texts in several windows; the first one had a network see several only when it was asked, not at the fit."""
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
    """Texts: bytes in, token ids int32 (max_length,) out, padded at the end with -1.

    With several windows (max_windows, max_length); a text of fewer windows has rows of -1 behind them.
    """

    modality: ClassVar[str] = "text"
    together: ClassVar[bool] = True
    spoilt: ClassVar[str] = "spoilt"
    # Sentences of one meaning are no copies: among the 10,003 questions of banking77 the pictures' rules join 720 sets,
    # most of them of different words. A copy also has nearly all its words, in their order.
    alike: ClassVar[Alike] = Alike(alone=0.998, both=0.9, bits=9)

    max_length: int = 256
    """The most tokens that a network sees; a longer text is cut at its end."""
    max_windows: int = 1
    """The most windows of ``max_length`` tokens through which a longer text is read, at the fit and after; 1 reads its
    beginning."""
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
        """(max_length,), or (max_length, characters) where words are spelt out; (max_windows, ...) with several."""
        one = (self.max_length, *_text_own.row(self.tokenizer))
        return one if self.max_windows == 1 else (self.max_windows, *one)

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
                found += self._cut_off(tokens, source)
        if not _text_own.knows_any(text, self.tokenizer):
            message = "The backbone's vocabulary has none of its words; its features are all 0."
            found.append(Finding("no_known_word", (source,), message, "warning"))
        return Facts("text", (len(text),), tuple(found))

    def decode(self, content: bytes) -> np.ndarray:
        """Return the text as UTF-8, uint8 (bytes,), without NUL characters. Raises UnreadableInputError."""
        return np.frombuffer(_text(content).encode("utf-8"), np.uint8)

    def _cut_off(self, tokens: int, source: str) -> list[Finding]:
        """Return what is to be told of a text of more tokens than one window has."""
        if self.max_windows == 1:
            lost = tokens - self.max_length
            message = f"It has {tokens:,} tokens; the first {self.max_length} are used."
        else:
            lost = tokens - _text_windows.held(self.max_windows, self.max_length)
            windows = f"{self.max_windows} windows of {self.max_length}, spread evenly over it"
            message = f"It has {tokens:,} tokens; {windows}, are used."
        details = {"lost": lost, "unit": "tokens"}
        return [Finding("truncated", (source,), message, "warning", details)] if lost > 0 else []

    def shortened(self, contents: Iterable[bytes]) -> Self:
        """Return it as long as the longest of some texts, rounded up as ``length`` does.

        Where one of them needs several windows, they keep their length, on which depends what each of them reads.
        """
        windows, tokens = 0, 4
        for one in contents:
            used = self.used(self.fit(self.decode(one))).shape
            windows = max(windows, 1 if self.max_windows == 1 else used[0])
            tokens = max(tokens, used[self.open_axes - 1])
        if not windows:
            return self
        fewer = self.max_windows if self.max_windows == 1 else max(2, windows)
        return replace(self, max_windows=fewer, max_length=self.max_length if windows > 1 else tokens)

    def noise(self, seed: int) -> np.ndarray:
        """Return 1 to 40 frequent words in a random order, as ``decode`` does."""
        draw = np.random.default_rng(seed)
        words = " ".join(draw.choice(FREQUENT.split(), draw.integers(1, 41)).tolist())
        return np.frombuffer(words.encode("utf-8"), np.uint8)

    def fit(self, decoded: np.ndarray) -> np.ndarray:
        """Return view 0: token ids int32 (max_length,) or (max_windows, max_length), padded with -1."""
        return self._tokens(_words(decoded))

    def fit_all(self, decoded: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Return what ``fit`` returns for each of several texts, whose tokens are looked up in one go."""
        if self.max_windows > 1:
            return super().fit_all(decoded)
        return _text_tokens.tokens_of([_words(one) for one in decoded], self.tokenizer, self.max_length)

    def augmented(self, decoded: np.ndarray, augmentation: str, seed: int) -> np.ndarray:
        """Return the tokens of the text after some words were changed, int32, shaped as ``fit`` does."""
        changed = _text_augment.augment(_words(decoded), augmentation, seed)
        found = self._tokens(changed)
        if self.max_windows == 1:
            return _text_augment.without_some(found, augmentation, seed)
        for number in range(_begun(found)):
            found[number] = _text_augment.without_some(found[number], augmentation, seed + number)
        return found

    def _tokens(self, text: str) -> np.ndarray:
        if self.max_windows == 1:
            return _text_tokens.tokens(text, self.tokenizer, self.max_length)
        found = np.full(self.shape, _text_tokens.PADDING, np.int32)
        place = 0
        for one in self.windows(text):
            found[place] = _text_tokens.tokens(one, self.tokenizer, self.max_length)
            # A window of which a vocabulary of whole words knows none has nothing to say.
            place += bool(found[place].flat[0] >= 0)
        return found

    def windows(self, text: str) -> list[str]:
        """Return the windows through which a text is read, spread evenly over it, ``max_windows`` at most."""
        if self.max_windows == 1 or _text_tokens.certainly_fits(text, self.max_length):
            return [text]
        tokens = _text_tokens.count(text, self.tokenizer)
        count = min(self.max_windows, _text_windows.number(tokens, self.max_length))
        if count == 1:
            return [text]
        share = self.max_length / tokens
        return [_text_windows.window(text, one, count, share) for one in range(count)]

    @staticmethod
    def augmentations() -> Mapping[str, str]:
        """Return every name that an augmentation may consist of, presets first, each with one line of help."""
        return _text_augment.augmentations()

    @staticmethod
    def check_augmentation(text: str) -> tuple[str, ...]:
        """Return the changes that ``text`` names, in their order. Raises SettingError with the nearest name."""
        return _text_augment.check_augmentation(text)

    def used(self, fitted: np.ndarray) -> np.ndarray:
        """Return its tokens, or its windows as long as the longest of them.

        The number of tokens is rounded up: by 4 to 32, by 8 to 64, by 16 to 128, and so on.
        """
        if self.max_windows == 1:
            return fitted[: self._rounded(fitted)]
        windows = fitted[: _begun(fitted)]
        return windows[:, : max(map(self._rounded, windows))]

    def _rounded(self, ids: np.ndarray) -> int:
        count = _begun(ids)
        step = max(STEP, 1 << max(0, (count - 1).bit_length() - 3))
        return min(self.max_length, -(-count // step) * step)

    @property
    def open_axes(self) -> int:
        """1, the tokens, or 2 with several windows: the windows and the tokens of each."""
        return 1 if self.max_windows == 1 else 2

    def miniature(self, fitted: np.ndarray) -> np.ndarray:
        """Return the tokens themselves, those of all windows one after the other, int32 (tokens,)."""
        if self.max_windows == 1:
            return _text_own.single(fitted)
        ids = np.concatenate([_text_own.single(one) for one in fitted])
        found = np.full_like(ids, _text_tokens.PADDING)
        real = ids[ids >= 0]
        found[: len(real)] = real
        return found

    @staticmethod
    def perceptual_hashes(miniatures: np.ndarray) -> np.ndarray:
        """Return the simhashes uint64 (n,) of token ids (Charikar 2002)."""
        return _text_features.perceptual_hashes(miniatures)

    def simple_features(self, fitted: np.ndarray) -> np.ndarray:
        """Return hashed counts of tokens and pairs, and the length, float32 (1025,)."""
        return _text_features.simple_features(self.miniature(fitted))

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
        return {"modality": self.modality, "recipe": _recipe(self.max_windows), **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Text":
        """Return what ``to_json`` described. Raises ArtifactError for another modality or version of the recipe."""
        return rebuilt(cls, data, _recipe(data.get("max_windows", 1)))


def _recipe(windows: int) -> int:
    return RECIPE if windows == 1 else WINDOWS_RECIPE


def _begun(fitted: np.ndarray) -> int:
    """Return how many tokens, or windows, do not begin with padding, 1 at least."""
    first = fitted if fitted.ndim == 1 else fitted.reshape(len(fitted), -1)[:, 0]
    return max(1, int(np.count_nonzero(first >= 0)))


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
