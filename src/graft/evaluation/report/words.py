"""How values are written for people: numbers, shares, times, and names that may be hostile."""

import unicodedata

from markupsafe import Markup

_SHARES = ("accuracy", "balanced_accuracy", "macro_f1", "calibration_error", "calibration_error_raw", "item_f1",
           "micro_f1", "mean_average_precision", "exact_match", "coverage")  # fmt: skip
_IN_UNITS = ("mae", "rmse")
"""In the unit of the labels, which may be large or small."""
KEPT = "\n\t\u00ad\u200b\u200c\u200d\u200e\u200f\u061c"
"""Invisible characters that texts of many scripts need."""


def shown(text: object) -> str:
    """Return text fit to be shown: control, direction-changing and invisible characters as escapes."""
    return "".join(
        one if unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") else f"\\u{ord(one):04x}"
        for one in str(text)
    )


def body(text: object) -> str:
    """Return a text as its writer meant it: lines, joiners and direction marks stay, what overrides directions not."""
    return "".join(one if one in KEPT else shown(one) for one in str(text).replace("\r\n", "\n"))


def sentence(text: object) -> str:
    """Return a sentence fit to be shown, no line breaking between a number and its per cent sign."""
    return shown(text).replace(" %", "\u00a0%")


def name(text: object) -> Markup:
    """Return a name as HTML that no neighbour's direction can disturb."""
    return Markup("<bdi>{}</bdi>").format(shown(text))


def path(text: object) -> Markup:
    """Return a file name as HTML: its last part, the whole of it as a tooltip."""
    whole = shown(text)
    last = whole.rstrip("/").rpartition("/")[2] or whole
    return Markup('<bdi class="path" title="{}">{}</bdi>').format(whole, last)


def share(value: float, digits: int = 1) -> str:
    """Return a share as per cent; what is not all is never written as 100."""
    said = f"{100 * value:.{digits}f}"
    if value < 1 and float(said) >= 100:
        said = f"{100 - 10**-digits:.{digits}f}"
    return f"{said}\u00a0%"


def metric(key: str, value: float) -> str:
    """Return a metric's value as people read it."""
    if key in _IN_UNITS:
        return f"{value:.4g}"
    return share(value) if key in _SHARES else f"{value:.3f}"


def data(value: float, text: str) -> Markup:
    """Return a number as ``<data>``: rounded for the eye, exact for a program."""
    return Markup('<data value="{}">{}</data>').format(repr(float(value)), text)


def p_value(value: float | None) -> str:
    """Return a p-value as people read it."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def seconds(value: float) -> str:
    """Return a duration as people read it."""
    if value < 0.0995:
        return f"{1000 * value:.0f}\u00a0ms"
    if value < 99.95:
        return f"{value:.1f}\u00a0s"
    return f"{int(value // 60)} min {int(value % 60):02d} s"


def count(value: float) -> str:
    """Return a large count as people read it."""
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{int(value):,}"


def size(value: float) -> str:
    """Return bytes as people read them."""
    return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"


def plural(number: int, one: str, many: str = "") -> str:
    """Return ``1 photo`` or ``2 photos``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


FILTERS = {
    "name": name,
    "path": path,
    "share": share,
    "p_value": p_value,
    "seconds": seconds,
    "count": count,
    "size": size,
    "shown": shown,
    "body": body,
    "sentence": sentence,
}
"""By name, for the template."""
