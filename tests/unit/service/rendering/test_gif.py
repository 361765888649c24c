import io

import numpy as np
import pytest
from PIL import Image

from service.rendering.gif import SharedPalette, delays, encode


def picture(seed=None, color=(255, 255, 255)):
    pixels = np.full((30, 40, 4), [*color, 255], dtype=np.uint8)
    if seed is not None:
        rng = np.random.default_rng(seed)
        pixels[5:25, 5:35, :3] = rng.integers(0, 256, (20, 30, 3))
    return pixels


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 61])
def test_delays_are_fifteen_frames_a_second_and_a_rest(n_frames):
    of_frames = delays(n_frames)
    assert len(of_frames) == n_frames
    assert sum(of_frames) == 200 + round((n_frames - 1) * 100 / 15 + 1 / 3)
    assert of_frames[-1] == 200


def test_pinned_colors_come_out_exactly():
    pinned = ["#ffffff", "#1a1a1a", "#3f90da", "#ffa90e"]
    palette = SharedPalette.of([picture(seed) for seed in range(3)], pinned)
    for color in pinned:
        shown = palette.indexed(picture(color=bytes.fromhex(color[1:])))
        assert shown.convert("RGB").getcolors() == [
            (1200, tuple(bytes.fromhex(color[1:])))
        ]


def test_other_colors_come_out_nearly():
    gray = np.full((30, 40, 4), 255, dtype=np.uint8)
    gray[..., :3] = np.linspace(0, 255, 40)[None, :, None]
    palette = SharedPalette.of([gray], ["#ffffff"])
    shown = np.asarray(palette.indexed(gray).convert("RGB"), dtype=int)
    assert np.abs(shown - gray[..., :3]).max() <= 16


def test_a_palette_fits_into_seven_bits():
    palette = SharedPalette.of([picture(seed) for seed in range(3)], ["#ffffff"])
    assert len(palette.colors) <= 127


def test_blank_frames_have_a_palette_too():
    palette = SharedPalette.of([picture()], ["#ffffff"])
    assert palette.colors.tolist() == [[255, 255, 255]]


def test_a_gif_holds_all_frames_with_their_delays_and_loops():
    frames = [picture(seed) for seed in range(5)]
    palette = SharedPalette.of(frames, ["#ffffff"])
    with Image.open(io.BytesIO(encode(frames, palette, delays(5)))) as gif:
        assert (gif.format, gif.size, gif.n_frames) == ("GIF", (40, 30), 5)
        assert gif.info["loop"] == 0
        durations = []
        for index, frame in enumerate(frames):
            gif.seek(index)
            durations.append(gif.info["duration"])
            expected = palette.indexed(frame).convert("RGB")
            assert np.array_equal(gif.convert("RGB"), expected)
    assert durations == [70, 70, 60, 70, 2000]
