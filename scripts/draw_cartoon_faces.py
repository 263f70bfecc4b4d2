"""Draw cartoon faces into a new folder of PNG files, such as experiment=anime_faces reads.

python scripts/draw_cartoon_faces.py FOLDER [--count 20000] [--side 64] [--seed 0]

factors.csv in the folder says what each face is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gan_lightning.data.cartoon_faces import SIDES, export_faces


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description="Draw cartoon faces into a new folder of PNG files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--side", type=int, default=64, choices=SIDES)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.folder.exists():
        parser.error(f"{asked.folder} is there already; name a new folder")
    export_faces(asked.folder, asked.count, asked.side, asked.seed)


if __name__ == "__main__":
    main()
