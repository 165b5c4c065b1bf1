"""Learning-rate schedules as plain functions of the step, so that resuming needs no state."""

import math
from typing import Literal


def factor(schedule: Literal["cosine", "one_cycle", "constant"], step: int, steps: int, warmup: float) -> float:
    """Return the share of the peak rate for ``step`` in 0..steps-1.

    The rate first rises in a line over ``warmup * steps`` steps (for one_cycle from 1/25 of the peak and along a
    cosine, over at least 0.3 of the steps: Smith and Topin 2018), and then stays or falls along a cosine to zero.
    """
    rising = max(warmup, 0.3) * steps if schedule == "one_cycle" else warmup * steps
    if step < rising:
        done = (step + 1) / (rising + 1)
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * done)) / 2 if schedule == "one_cycle" else done
    if schedule == "constant":
        return 1.0
    done = (step - rising) / max(1.0, steps - rising)
    return (1 + math.cos(math.pi * min(1.0, done))) / 2
