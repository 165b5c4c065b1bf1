"""The single random changes of a picture: each takes uint8 (height, width, 3) and a generator, and returns the same."""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from graft.preprocess._image_features import GREY

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]

DEGREES = 10.0
SHIFT = 0.08
ZOOM = 0.12
CORNERS = 0.08
RANDAUGMENT_OPERATIONS = 2


def flip(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror left and right, every other time."""
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def rotation(rng: np.random.Generator) -> np.ndarray:
    """Return a turn by up to 10 degrees, as a (3, 3) matrix around the centre, sides measured as 1."""
    return _turn(math.radians(rng.uniform(-DEGREES, DEGREES)))


def shift(rng: np.random.Generator) -> np.ndarray:
    """Return a shift by up to 8 % of the sides."""
    matrix = np.eye(3)
    matrix[:2, 2] = rng.uniform(-SHIFT, SHIFT, 2)
    return matrix


def zoom(rng: np.random.Generator) -> np.ndarray:
    """Return a change of scale by up to 12 %."""
    scale = math.exp(rng.uniform(-1, 1) * math.log(1 + ZOOM))
    return np.diag([scale, scale, 1.0])


def perspective(rng: np.random.Generator) -> np.ndarray:
    """Return a tilt that moves each corner by up to 8 % of the sides."""
    plain = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    moved = plain + rng.uniform(-CORNERS, CORNERS, (4, 2))
    rows, right = [], []
    for (x, y), (u, v) in zip(plain, moved, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(right)), 1.0).reshape(3, 3)


def warped(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return ``pixels`` seen through ``matrix``, which says where each place of the result is taken from.

    What would come from outside is mirrored at the edge, so no black corners tell the network of the turn.
    """
    height, width = pixels.shape[:2]
    centre = np.array([[width, 0, width / 2], [0, height, height / 2], [0, 0, 1.0]])
    matrix = centre @ matrix @ np.linalg.inv(centre)
    corners = matrix @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1.0]])
    x, y = corners[:2] / corners[2]
    beside = min(width - 1, max(0, math.ceil(max(-x.min(), x.max() - width)) + 1))
    above = min(height - 1, max(0, math.ceil(max(-y.min(), y.max() - height)) + 1))
    padded = np.pad(pixels, ((above, above), (beside, beside), (0, 0)), "symmetric")
    offset = np.eye(3)
    offset[:2, 2] = beside, above
    matrix = offset @ matrix
    coefficients = (matrix / matrix[2, 2]).ravel()
    affine = np.allclose(coefficients[6:8], 0)
    kind = Image.Transform.AFFINE if affine else Image.Transform.PERSPECTIVE
    data = tuple(coefficients[: 6 if affine else 8].tolist())
    return np.asarray(Image.fromarray(padded).transform((width, height), kind, data, Image.Resampling.BILINEAR))


def colour(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and saturation by up to 25 % each, hue by up to 7 degrees."""
    light, contrast, strength = rng.uniform(0.75, 1.25, 3)
    return _toned(pixels, light, contrast, strength, math.radians(rng.uniform(-7, 7)))


def brightness(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness by up to 25 %."""
    return _toned(pixels, rng.uniform(0.75, 1.25))


def contrast(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change contrast by up to 25 %."""
    return _toned(pixels, 1.0, rng.uniform(0.75, 1.25))


def noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise with a standard deviation of up to 12 of 255 levels."""
    added = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(0, 12))
    noisy: np.ndarray = np.clip(np.rint(pixels + added), 0, 255)
    return noisy.astype(np.uint8)


def blur(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur by a Gaussian with a radius of up to 0.7 % of the short side (1.5 pixels of 224)."""
    radius = rng.uniform(0, 1.5) * min(pixels.shape[:2]) / 224
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def erasing(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paint a rectangle of 2 to 20 % of the area in the mean colour, every other time (Zhong et al. 2020)."""
    if rng.random() < 0.5:
        return pixels
    height, width = pixels.shape[:2]
    area, ratio = rng.uniform(0.02, 0.2), math.exp(rng.uniform(-1, 1) * math.log(3.0))
    high = min(height, max(1, round(height * math.sqrt(area * ratio))))
    wide = min(width, max(1, round(width * math.sqrt(area / ratio))))
    top, left = rng.integers(0, height - high + 1), rng.integers(0, width - wide + 1)
    painted = pixels.copy()
    painted[top : top + high, left : left + wide] = np.rint(pixels.mean((0, 1)))
    return painted


def randaugment(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply two operations drawn from thirteen, at strengths drawn up to a third (Cubuk et al. 2020)."""
    for _ in range(RANDAUGMENT_OPERATIONS):
        which, strength = int(rng.integers(13)), float(rng.uniform(-1, 1)) / 3
        pixels = _randaugment(pixels, which, strength)
    return pixels


def _randaugment(pixels: np.ndarray, which: int, strength: float) -> np.ndarray:
    if which < 5:
        matrix = np.eye(3)
        if which == 0:
            matrix = _turn(strength * math.radians(30))
        else:
            # Shear along x or y, then shift along x or y.
            place = [(0, 1), (1, 0), (0, 2), (1, 2)][which - 1]
            matrix[place] = strength * (0.3 if which < 3 else 0.45)
        return warped(pixels, matrix)
    picture = Image.fromarray(pixels)
    factor = 1 + 0.9 * strength
    if which == 5:
        return _toned(pixels, factor)
    if which == 6:
        return _toned(pixels, 1.0, factor)
    if which == 7:
        return _toned(pixels, 1.0, 1.0, factor)
    if which == 8:
        return np.asarray(ImageEnhance.Sharpness(picture).enhance(factor))
    if which == 9:
        return np.asarray(ImageOps.posterize(picture, 8 - round(abs(strength) * 4)))
    if which == 10:
        return np.asarray(ImageOps.solarize(picture, 256 - round(abs(strength) * 255)))
    if which == 11:
        return np.asarray(ImageOps.autocontrast(picture))
    return np.asarray(ImageOps.equalize(picture))


def _turn(angle: float) -> np.ndarray:
    sine, cosine = math.sin(angle), math.cos(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])


def _toned(
    pixels: np.ndarray, light: float, contrast: float = 1.0, strength: float = 1.0, turn: float = 0.0
) -> np.ndarray:
    """Brightness, contrast, saturation and hue are each linear in the colour: one matrix does all four."""
    grey = np.broadcast_to(GREY.astype(np.float64), (3, 3))
    matrix = strength * np.eye(3) + (1 - strength) * grey
    if turn:
        to_yiq = np.array([GREY, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
        sine, cosine = math.sin(turn), math.cos(turn)
        turned = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
        matrix = np.linalg.inv(to_yiq) @ turned @ to_yiq @ matrix
    matrix *= light * contrast
    mean = float(GREY @ pixels[::4, ::4].mean((0, 1))) * light
    offset = np.full((3, 1), (1 - contrast) * mean)
    return np.asarray(Image.fromarray(pixels).convert("RGB", tuple(np.hstack([matrix, offset]).ravel().tolist())))
