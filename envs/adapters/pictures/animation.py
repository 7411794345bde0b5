"""Pictures one after the other, as an animated GIF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...files import write_atomically

_COLOURS = 64  # a quarter of what GIF can hold: these pictures have few, and the file becomes a third smaller


def write_animation(
    path: str | Path, frames: Sequence[NDArray[np.uint8]], *, frames_per_second: float = 2.0, last_frame_seconds: float | None = None
) -> None:
    """Write pictures as an animated GIF that repeats.

    Args:
        path: Where to; an existing file is replaced.
        frames: RGB arrays of one shape (height, width, 3), at least one.
        frames_per_second: How fast it runs.
        last_frame_seconds: How long the last frame stands, in seconds; as long as every other one unless given.

    Raises:
        ValueError: If there is no picture.
    """
    if not len(frames):
        raise ValueError("an animation must have at least one picture, got none.")
    # One palette for all, made of the first, the middle and the last picture: with one for each, colours would flicker.
    typical = Image.fromarray(np.concatenate([frames[0], frames[len(frames) // 2], frames[-1]]))
    palette = typical.quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    pictures = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [1000.0 / frames_per_second] * len(pictures)
    if last_frame_seconds is not None:
        durations[-1] = 1000.0 * last_frame_seconds
    content = io.BytesIO()
    pictures[0].save(
        content,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[round(each) for each in durations],
        loop=0,
        optimize=True,
    )
    write_atomically(path, lambda file: file.write(content.getvalue()))
