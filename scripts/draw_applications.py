"""Draw the strip of the front page from the pictures of the applications' pages.

python scripts/draw_applications.py            # docs/applications/*.png -> docs/applications.png
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent.parent / "docs"
SIDE, GAP = 208, 6  # pixels of a panel, and between panels
PANELS = {  # picture → its left, upper, right and lower border, as shares of its size
    "mnist": (0.0, 0.0, 0.6, 1.0),
    "faces": (0.505, 0.0, 1.0, 1.0),
    "spoken_digits": (0.0, 0.0, 0.4, 1.0),
    "chorales": (0.0, 0.0, 0.3, 1.0),
    "words": (0.0, 0.0, 0.37, 1.0),
    "table": (0.0, 0.0, 0.5, 0.6),
}


def main() -> None:
    """Cut a square from each picture, and place the squares side by side."""
    strip = Image.new("RGB", (len(PANELS) * (SIDE + GAP) - GAP, SIDE), "white")
    for i, (name, box) in enumerate(PANELS.items()):
        with Image.open(DOCS / "applications" / f"{name}.png") as picture:
            width, height = picture.size
            left, upper, right, lower = (int(share * size) for share, size in zip(box, (width, height) * 2, strict=True))
            side = min(right - left, lower - upper)
            panel = picture.convert("RGB").crop((left, upper, left + side, upper + side))
        strip.paste(panel.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (i * (SIDE + GAP), 0))
    strip.save(DOCS / "applications.png", optimize=True)


if __name__ == "__main__":
    main()
