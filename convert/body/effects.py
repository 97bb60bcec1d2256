"""What a small camera does to a picture on its way to JPEG: lens, exposure, white balance, noise, sharpening."""

import cv2
import numpy as np


def photographed(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """uint8 [H, W, 3] as a Pi camera could have taken it, uint8 [H, W, 3]."""
    light = _lens(rgb.astype(np.float32) / 255, random)
    light *= np.float32(np.exp(random.normal(0, 0.16))) * np.exp(random.normal(0, 0.05, 3)).astype(np.float32)
    light *= _vignette(rgb.shape, random)
    light = _noise(light, random)
    if random.random() < 0.5:
        light += random.uniform(0.2, 0.9) * (light - cv2.GaussianBlur(light, (0, 0), 1.2))
    middle = random.uniform(0.4, 0.55)
    light = middle + (light - middle) * np.float32(random.uniform(0.8, 1.15))
    return np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8)


def jpeg(rgb: np.ndarray, random: np.random.Generator) -> bytes:
    """The picture as a JPEG file, quality 55 to 95."""
    return cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(55, 96))])[1].tobytes()


def _lens(light, random):
    kind = random.random()
    if kind < 0.12:  # Something moved.
        length, angle = random.uniform(2, 7), random.uniform(0, np.pi)
        kernel = np.zeros((9, 9), np.float32)
        across = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        cv2.line(kernel, *(tuple(int(v) for v in np.rint((4 + sign * across) * 16)) for sign in (-1, 1)), 1.0, 1, cv2.LINE_AA, 4)
        return cv2.filter2D(light, -1, kernel / kernel.sum())
    if kind < 0.3:  # Fewer pixels than it says.
        share = random.uniform(0.4, 0.85)
        small = cv2.resize(light, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, light.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    sigma = random.uniform(0.0, 1.1)
    return cv2.GaussianBlur(light, (0, 0), sigma) if sigma > 0.25 else light


def _vignette(shape, random):
    height, width = shape[:2]
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return (1 - random.uniform(0, 0.22) * (x * x + y * y) / 2).astype(np.float32)[..., None]


def _noise(light, random):
    """Shot noise grows with the light, read noise does not; half of it is grey and a little blurred, as denoising leaves it."""
    amount = np.float32(random.choice([0.006, 0.015, 0.03]) * random.uniform(0.4, 1.4))
    height, width = light.shape[:2]
    each = random.standard_normal((height, width, 3), np.float32)
    grey = cv2.GaussianBlur(random.standard_normal((height, width), np.float32), (0, 0), 0.7) * 2
    return light + amount * (0.6 * each + 0.8 * grey[..., None]) * np.sqrt(np.clip(light, 0, 1) + 0.05)
