"""GIF files: one palette for all frames, delays in hundredths of a second."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.rendering.palettes import rgb

Pixels = NDArray[np.uint8]
"""An RGBA picture, (height, width, 4), without transparent parts."""

BEAT = (7, 7, 6)
"""15 frames a second; players round or slow down delays that they cannot keep."""
LAST_DELAY = 200
N_COLORS = 127
"""Seven bits, with one color left to the encoder for "as in the frame before"."""


def delays(n_frames: int) -> list[int]:
    """Return the delay after each frame, in centiseconds; the last one is held."""
    return [BEAT[i % len(BEAT)] for i in range(n_frames - 1)] + [LAST_DELAY]


@dataclass(frozen=True, slots=True, eq=False)
class SharedPalette:
    """At most 127 colors, and the nearest of them to every color."""

    colors: NDArray[np.uint8]
    nearest: NDArray[np.uint8]
    """(32768,): an index into `colors` for each color cut to 5 bits a channel."""

    @classmethod
    def of(cls, frames: Sequence[Pixels], pinned: Sequence[str]) -> Self:
        """Choose colors from the frames; the pinned ones are kept exactly.

        Paper is left out of the choice: it would crowd out ink.
        """
        fixed = np.unique(_bytes(pinned), axis=0)
        chosen = _octree(_inked(frames), N_COLORS - len(fixed))
        colors = np.concatenate([fixed, chosen])
        nearest = _nearest(colors)
        # Exactly, even where a chosen color lies nearer to the middle of the cell.
        red, green, blue = (fixed >> 3).astype(np.intp).T
        nearest[(red << 10) | (green << 5) | blue] = np.arange(len(fixed))
        return cls(colors, nearest)

    def indexed(self, frame: Pixels) -> Image.Image:
        """Return the frame in these colors, without dither (noise compresses badly)."""
        image = Image.fromarray(np.take(self.nearest, _cells(frame)))
        image.putpalette(self.colors.tobytes())
        return image


def encode(
    frames: Iterable[Pixels], palette: SharedPalette, frame_delays: Sequence[int]
) -> bytes:
    """Return an endlessly looping GIF; frames are consumed one at a time."""
    images = map(palette.indexed, frames)
    file = io.BytesIO()
    next(images).save(
        file,
        format="GIF",
        save_all=True,
        append_images=images,
        duration=[10 * delay for delay in frame_delays],
        loop=0,
        optimize=True,  # unchanged pixels become transparent: a quarter of the size
    )
    return file.getvalue()


def _bytes(colors: Sequence[str]) -> NDArray[np.uint8]:
    return (rgb(colors) * 255).round().astype(np.uint8)


def _cells(frame: Pixels) -> NDArray[np.uint32]:
    """Return rrrrrgggggbbbbb for each pixel: its color cut to 5 bits a channel.

    A pixel's four bytes are read as one integer: four times fewer passes over memory.
    """
    words = np.ascontiguousarray(frame).view("<u4")[..., 0]
    cells = np.asarray((words & 0xF8) << 7, dtype=np.uint32)
    cells |= (words >> 6) & 0x3E0
    cells |= (words >> 19) & 0x1F
    return cells


def _nearest(colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    steps = np.arange(32, dtype=np.float32) * 8 + 4
    centers = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    candidates = colors.astype(np.float32)
    # |c - p|² without |c|², which is the same for all candidates.
    scores = (candidates**2).sum(axis=1) - 2 * centers.reshape(-1, 3) @ candidates.T
    return np.asarray(scores.argmin(axis=1).astype(np.uint8))


def _inked(frames: Sequence[Pixels]) -> Pixels:
    pixels = np.concatenate([frame[..., :3].reshape(-1, 3) for frame in frames])
    return np.asarray(pixels[pixels.min(axis=1) < 250])


def _octree(pixels: Pixels, n_colors: int) -> NDArray[np.uint8]:
    if not len(pixels):
        return np.empty((0, 3), dtype=np.uint8)
    strip = Image.fromarray(pixels[None])
    quantized = strip.quantize(n_colors, Image.Quantize.FASTOCTREE)
    flat = quantized.getpalette() or []
    return np.array(flat, dtype=np.uint8).reshape(-1, 3)[:n_colors]
