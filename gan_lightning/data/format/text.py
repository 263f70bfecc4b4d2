"""Lines of text: one-hot matrices are decoded to their symbols, listed in a picture, and written as lines of a .txt file.

A matrix (V, T) has a column for each position and a row for each symbol; row 0 is the end of the line, the symbol that also
fills the positions after it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gan_lightning.data.format.base import SampleFormat

END = 0  # the number of the end symbol
FONT = "fonts/ttf/DejaVuSansMono.ttf"  # comes with matplotlib; it has all letters of Vietnamese
FONT_SIZE, LINE_HEIGHT, MARGIN = 16, 22, 10  # pixels
WIDTH = 96  # letters in a row of the picture, about


class TextFormat(SampleFormat):
    """List lines over an alphabet, whose letters are the symbols 1, 2, …."""

    suffix: ClassVar[str] = ".txt"
    collections: ClassVar[tuple[str, ...]] = (".txt",)
    companion: ClassVar[str] = ".txt"
    num_shown: ClassVar[int | None] = 80

    def __init__(self, alphabet: str) -> None:
        self.alphabet = alphabet

    def decode(self, samples: Tensor) -> list[str]:  # (N, V, T)
        """Return the line of each sample."""
        return to_lines(line_symbols(samples), self.alphabet)

    def render(self, samples: Tensor, columns: int = 8, real: Tensor | None = None) -> np.ndarray:
        """Return a picture of the lines, in as many columns as there is room for."""
        return draw_lines(self.decode(samples), samples.shape[2])

    def encode_sample(self, sample: Tensor, software: str) -> bytes:
        return self.encode_samples(sample[None], self.suffix)

    def encode_samples(self, samples: Tensor, ending: str) -> bytes:
        """Return the lines in UTF-8, each with a line end."""
        return "".join(f"{line}\n" for line in self.decode(samples)).encode()

    def text(self, samples: Tensor) -> str | None:
        """Return the lines as a block of code, in which no letter has a meaning of its own."""
        return "\n".join(f"    {line}" for line in self.decode(samples))


def line_symbols(samples: Tensor) -> Tensor:  # (N, V, T) -> (N, T) int32
    """Return the number of the most likely symbol at each position; of a sample that is not finite, END everywhere."""
    finite = samples.flatten(1).isfinite().all(1)
    return torch.where(finite.unsqueeze(1), samples.argmax(1), END).to(torch.int32)  # gloo gathers no int16


def to_lines(symbols: Tensor, alphabet: str) -> list[str]:  # (N, T)
    """Return the letters of each line up to its first end symbol."""
    letters = np.array(["", *alphabet])
    numbers = symbols.cpu().numpy()
    lengths = np.where((numbers == END).any(1), (numbers == END).argmax(1), numbers.shape[1])
    return ["".join(letters[row[:length]]) for row, length in zip(numbers, lengths, strict=True)]


def draw_lines(lines: list[str], longest: int) -> np.ndarray:  # -> (height, width, 3) uint8
    """Return a picture of the lines, one below the other and then in the next column; each has at most `longest` letters."""
    columns = max(1, WIDTH // (longest + 2))
    rows = max(1, -(-len(lines) // columns))
    width = int((longest + 2) * font().getlength("m"))
    picture = Image.new("RGB", (columns * width + 2 * MARGIN, rows * LINE_HEIGHT + 2 * MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(lines):
        column, row = divmod(i, rows)
        draw.text((MARGIN + column * width, MARGIN + row * LINE_HEIGHT), line, fill="black", font=font())
    return np.asarray(picture)


@cache
def font() -> ImageFont.FreeTypeFont:
    """Return the font of the pictures, in which all letters are equally wide."""
    import matplotlib  # takes long

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / FONT), FONT_SIZE)
