"""Products of vectors in half of the bits, where the processor has units for it: they show what to look at closely."""

from collections.abc import Callable

import numpy as np
import torch

Products = Callable[[slice, slice], np.ndarray]
"""From two ranges of rows to the products (m, k) float32 of each row of the first with each of the second."""


def able() -> bool:
    """Say whether the processor multiplies bfloat16 faster than float32."""
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def rough_products(vectors: np.ndarray) -> Products | None:
    """Return the products of rows of vectors (n, d) of length 1, each off by at most 0.0125; None where no faster.

    Both factors are rounded to 8 significant bits, and so is what comes out: the error is at most 3 / 256 and little
    more. On one core with AMX 512 x 512 products of 1,280 numbers take 0.5 ms instead of 4.
    """
    if not able():
        return None
    half = torch.from_numpy(np.ascontiguousarray(vectors, np.float32)).bfloat16()

    def products(rows: slice, columns: slice) -> np.ndarray:
        found: np.ndarray = (half[rows] @ half[columns].T).float().numpy()
        return found

    return products
