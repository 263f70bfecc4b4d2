"""Draw cartoon faces into a new folder of PNG files, which experiment=anime_faces can read.

python scripts/draw_cartoon_faces.py FOLDER [--count 20000] [--side 64] [--seed 0]

factors.csv in the folder lists the factors of each face.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gan_lightning.data.cartoon_faces import SIDES, export_faces


def main() -> None:
    """Parse the arguments and draw the faces."""
    parser = argparse.ArgumentParser(description="Draw cartoon faces into a new folder of PNG files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--side", type=int, default=64, choices=SIDES)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.folder.exists():
        parser.error(f"{arguments.folder} exists already; give a new folder")
    export_faces(arguments.folder, arguments.count, arguments.side, arguments.seed)


if __name__ == "__main__":
    main()
