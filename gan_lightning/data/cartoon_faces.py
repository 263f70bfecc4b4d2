"""Cartoon faces as data: images drawn by code, with every factor known and nothing to download.

face i = draw_face(sample_face(face_seed, i), side)

The faces are drawn once as PNG files and then read like any folder of images.
"""

from __future__ import annotations

import csv
import logging
import shutil
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from tqdm import tqdm

from gan_lightning.data.base import DataError, Seed, Share, Splits, require_training_share
from gan_lightning.data.cartoon_face_drawing import FACTORS, draw_face, sample_face
from gan_lightning.data.decoded_cache import Listing, one_writer
from gan_lightning.data.image_folder import ImageFolder
from gan_lightning.data.store import split_indices
from gan_lightning.step.types import PathText

SIDES = (32, 64, 128)
DRAWING = 1  # increment it when the look of the faces changes: faces of another version are then drawn anew
NumFaces = Annotated[int, Field(ge=1, le=1_000_000)]

log = logging.getLogger("gan_lightning")


class CartoonFaces(ImageFolder):
    """Draw `count` faces once into a subfolder of `cache`, and read them from there as ImageFolder does.

    The files are in `cache`/cartoon_faces/…, with the factors of each face in factors.csv. `face_seed` chooses the faces;
    `seed` only orders them. `cache`, `validation` and `test` are those of ImageFolder.
    """

    def __init__(
        self,
        count: NumFaces = 20000,
        face_seed: Seed = 0,
        cache: PathText | None = None,
        validation: Share = 0.05,
        test: Share = 0.05,
        **shared: Any,
    ) -> None:
        super().__init__(root="", cache=cache, validation=validation, test=test, **shared)
        self.num_faces, self.face_seed = count, face_seed
        folder = f"{count}-{'x'.join(str(n) for n in self.sample_shape)}-seed{face_seed}-drawing{DRAWING}"
        self.root = self.cache.absolute() / "cartoon_faces" / folder

    def listing(self) -> Listing:
        """Return the files that exist once the faces are drawn; draws none. Raises DataError if the config does not fit."""
        if self.sample_shape not in [(3, side, side) for side in SIDES]:
            allowed = ", ".join(f"[3,{side},{side}]" for side in SIDES)
            raise DataError(f"data.sample_shape: {list(self.sample_shape)} is no size of the faces; allowed: {allowed}")
        if self.num_classes:
            raise DataError(f"data.num_classes: the faces have no classes, not {self.num_classes}; allowed: 0")
        require_training_share(self.validation, self.test)
        return Listing([Path(file_name(i)) for i in range(self.num_faces)], None, [])

    def split(self, listing: Listing) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the indices of train, validation and test: exact shares, since the config alone determines the set."""
        return split_indices(len(listing.files), self.validation, self.test)

    def fingerprint(self) -> None:
        """Return None: the config determines the set."""

    def load(self) -> Splits:
        self.listing()
        if not self.is_drawn():
            with one_writer(self.root):
                if not self.is_drawn():  # another process may have drawn them in the meantime
                    self.draw()
        return super().load()

    def is_drawn(self) -> bool:
        """Return whether the folder has as many files as there are faces."""
        return self.root.is_dir() and sum(1 for _ in self.root.glob("*.png")) == self.num_faces

    def draw(self) -> None:
        """Draw into a temporary folder, then rename it: a killed process leaves no partial result. Raises DataError."""
        partial = self.root.with_name(self.root.name + ".partial")
        log.info("drawing %s faces once into %s", f"{self.num_faces:,}", self.root)
        try:
            shutil.rmtree(partial, ignore_errors=True)  # left by a killed process: the lock excludes any other writer
            shutil.rmtree(self.root, ignore_errors=True)  # incomplete, otherwise nothing would be drawn
            export_faces(partial, self.num_faces, self.sample_shape[1], self.face_seed)
            partial.replace(self.root)
        except OSError as error:
            raise DataError(f"data.cache: {partial} can't be written ({error.strerror}); set data.cache=FOLDER") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def file_name(index: int) -> str:
    """Return the file name of face `index`; the names sort in the order of the indices."""
    return f"{index:06}.png"


def export_faces(folder: Path, count: int, side: int, face_seed: int = 0) -> None:
    """Write a new folder of `count` PNG files and factors.csv, which has one row of factor values per file."""
    folder.mkdir(parents=True)
    with (folder / "factors.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", *FACTORS])
        for i in tqdm(range(count), unit=" faces", mininterval=1, disable=count <= 2000):
            face = sample_face(face_seed, i)
            draw_face(face, side).save(folder / file_name(i), compress_level=1)
            table.writerow([file_name(i), *(values[k] for values, k in zip(FACTORS.values(), face.factors, strict=True))])
