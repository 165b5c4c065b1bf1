"""What an augmentation may be called, and which changes that stands for: the same for every modality."""

from collections.abc import Mapping
from difflib import get_close_matches

from graft.errors import SettingError, must

Presets = Mapping[str, tuple[str, ...]]


def listed(presets: Presets, names: Mapping[str, str]) -> Mapping[str, str]:
    """Return every name that ``--augment`` takes, presets first, each with one line of help."""
    told = {name: " + ".join(parts) if parts else "no change" for name, parts in presets.items()}
    return {**told, **names}


def chosen(text: str, presets: Presets, names: Mapping[str, str], of: str = "") -> tuple[str, ...]:
    """Return the changes that ``text`` names, in the order of ``names``, in which they are applied.

    ``text`` is a preset or a comma-separated list of presets and changes; ``of`` says of what, in the message.
    Raises SettingError with the nearest name.
    """
    asked: set[str] = set()
    for word in (part.strip().lower() for part in text.split(",")):
        if word in presets:
            asked.update(presets[word])
        elif word in names:
            asked.add(word)
        else:
            near = get_close_matches(word, [*presets, *names], n=1, cutoff=0.5)
            do = f"Did you mean {near[0]!r}?" if near else f"Take any of {', '.join([*presets, *names])}"
            raise SettingError(must("augment", f"a preset or a comma-separated list of changes{of}", repr(word), do))
    return tuple(name for name in names if name in asked)
