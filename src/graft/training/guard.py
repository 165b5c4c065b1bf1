"""Noticing that training diverged."""

import math

RATE_CUT = 0.3
"""What the learning rate is multiplied with after going back."""
CHANCES = 3
"""How often training goes back before it gives up."""


def diverged(
    *, train_loss: float, val_loss: float, score: float, start_loss: float, best: float, chance: float
) -> str | None:
    """Return why an epoch counts as diverged, or None.

    ``start_loss`` is the validation loss before training, ``best`` the best validation score so far, ``chance`` the
    score of the constant answer; scores grow with quality.
    """
    if not (math.isfinite(train_loss) and math.isfinite(val_loss)):
        return "the loss was no longer finite"
    if train_loss > 4 * max(start_loss, 1.0):
        return f"the training loss rose to {train_loss:.3g}"
    if best > chance + 0.15 and score < chance + 0.3 * (best - chance):
        return f"the validation score fell to {score:.3f} after {best:.3f}, near the {chance:.3f} of chance"
    return None
