"""Faces in the style of anime, drawn by code: a data set of faces whose every cause is known, and that needs no download.

face i = draw(hair, style, eyes, mouth, skin, pose, background, jitter), all of it a pure function of (face_seed, i)

The seven factors are uniform and independent, so that all 6 · 3⁶ = 4374 faces are equally likely: what a generator drops, or
ties together, can be counted (as on dSprites, Matthey et al. 2017). The jitter (place, size, turn, eyelids, tints) is
continuous: no two faces are alike.
"""

from __future__ import annotations

import csv
import logging
import shutil
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from tqdm import tqdm

from gan_lightning.data.base import DataError, Seed, Splits
from gan_lightning.data.cartoon_face_drawing import FACTORS, draw_face, sample_face
from gan_lightning.data.image_folder import ImageFolder, Listing, one_writer

SIDES = (32, 64, 128)
DRAWING = 1  # raise it with every change of how faces look: folders drawn by others are then drawn again
Count = Annotated[int, Field(ge=1, le=1_000_000)]

log = logging.getLogger("gan_lightning")


class CartoonFaces(ImageFolder):
    """`count` faces, drawn once as PNG files into `cache` and read from there as any folder of images is.

    The folder is `cache`/cartoon_faces/…; factors.csv in it says what each face is. `face_seed` chooses the faces; `seed` only
    orders them. For `cache`, `validation` and `test` see ImageFolder.
    """

    def __init__(
        self,
        count: Count = 20000,
        face_seed: Seed = 0,
        cache: str | None = None,
        validation: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        test: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        **shared: Any,
    ) -> None:
        super().__init__(root="", cache=cache, validation=validation, test=test, **shared)
        self.faces, self.face_seed = count, face_seed
        file_name = f"{count}-{'x'.join(str(n) for n in self.sample_shape)}-seed{face_seed}-drawing{DRAWING}"
        self.root = self.cache.absolute() / "cartoon_faces" / file_name

    def listing(self) -> Listing:
        """The files that are there once they are drawn; draws none."""
        if self.sample_shape not in [(3, side, side) for side in SIDES]:
            allowed = ", ".join(f"[3,{side},{side}]" for side in SIDES)
            raise DataError(f"data.sample_shape: {list(self.sample_shape)} is no size of the faces; allowed: {allowed}")
        if self.num_classes:
            raise DataError(f"data.num_classes: the faces have no classes, not {self.num_classes}; allowed: 0")
        if self.validation + self.test >= 1:
            raise DataError(
                f"data.validation and data.test: {self.validation} and {self.test} leave nothing to train on; "
                "allowed: two shares whose sum is below 1, such as 0.05 and 0.05"
            )
        return Listing([Path(file_name(i)) for i in range(self.faces)], None, [])

    def load(self) -> Splits:
        self.listing()
        if not self.drawn():
            with one_writer(self.root):
                if not self.drawn():  # another process may have been here
                    self.draw()
        return super().load()

    def drawn(self) -> bool:
        """Whether all faces are there."""
        return self.root.is_dir() and sum(1 for _ in self.root.glob("*.png")) == self.faces

    def draw(self) -> None:
        """Draw beside `root`, then give the result its name: a process that is killed leaves no half."""
        partial = self.root.with_name(self.root.name + ".partial")
        log.info("drawing %s faces once into %s", f"{self.faces:,}", self.root)
        try:
            shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed: nobody else is here
            shutil.rmtree(self.root, ignore_errors=True)  # not whole, or we would not be here
            export_faces(partial, self.faces, self.sample_shape[1], self.face_seed)
            partial.replace(self.root)
        except OSError as error:
            raise DataError(f"data.cache: {partial} can't be written ({error.strerror}); set data.cache=FOLDER") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def file_name(index: int) -> str:
    """The file of face `index`: in the order of their names, they are in that of their indices."""
    return f"{index:06}.png"


def export_faces(folder: Path, count: int, side: int, face_seed: int = 0) -> None:
    """A new folder of `count` PNG files, and factors.csv: a line for each, with the names of its factors' values."""
    folder.mkdir(parents=True)
    with (folder / "factors.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", *FACTORS])
        for i in tqdm(range(count), unit=" faces", mininterval=1, disable=count <= 2000):
            one = sample_face(face_seed, i)
            draw_face(one, side).save(folder / file_name(i), compress_level=1)
            table.writerow([file_name(i), *(values[k] for values, k in zip(FACTORS.values(), one.factors, strict=True))])
