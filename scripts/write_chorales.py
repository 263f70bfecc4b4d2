"""Write Bach's chorales of music21's corpus as MIDI files.

python scripts/write_chorales.py FOLDER        # then: gan-train experiment=chorales data.root=FOLDER

Each of the corpus' MusicXML files of Bach becomes one .mid file with the meter, and a track for each part. Pickup bars are
filled up with rests, repeats are not played. It takes about a CPU minute.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gan_lightning.data.base import DataError
from gan_lightning.data.format.midi import encode_midi
from gan_lightning.data.musicxml_file import read_musicxml
from gan_lightning.storage import atomic

SUFFIXES = (".mxl", ".xml", ".musicxml")


def main() -> None:
    """Write the files, and name those of changing meter, which MIDI bars can't follow, on stderr."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    import music21

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    paths = sorted(Path(path) for path in music21.corpus.getComposer("bach") if Path(path).suffix in SUFFIXES)
    written = 0
    for path in paths:
        try:
            piece = read_musicxml(path)
        except DataError as error:
            print(error, file=sys.stderr)
            continue
        if not piece.meter:
            print(f"{path.name}: its meter changes", file=sys.stderr)
            continue
        atomic.write_bytes(folder / f"{path.stem}.mid", encode_midi(piece), flushed=False)
        written += 1
    print(f"{written} of {len(paths)} files: {folder}/")


if __name__ == "__main__":
    main()
