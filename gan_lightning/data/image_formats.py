"""The image files that are read, and those that look like images but are not read: by suffix, or by their first bytes."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path
from stat import S_ISREG

from PIL import features

READERS = {  # Pillow's name of a format → the suffixes of its files
    "JPEG": ".jpg .jpeg .jpe .jfif",
    "PNG": ".png .apng",
    "BMP": ".bmp .dib",
    "GIF": ".gif",
    "WEBP": ".webp",
    "TIFF": ".tif .tiff",
    "PPM": ".pbm .pgm .ppm .pnm .pfm",
    "AVIF": ".avif .avifs",
    "JPEG2000": ".jp2 .j2k .j2c .jpc .jpf .jpx",
}
OPTIONAL = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}  # a Pillow may have been built without these
FORMATS = tuple(name for name in READERS if name not in OPTIONAL or features.check(OPTIONAL[name]))
SUFFIXES = frozenset(suffix for name in FORMATS for suffix in READERS[name].split())

UNREAD = (  # suffixes of images that are not read, beside those that the standard library knows
    ".ai .arw .cr2 .cr3 .cur .dcm .dds .dng .emf .eps .exr .fit .fits .hdr .heics .heifs .hif .icns .jfi .jif .jxl .jxr "
    ".mpo .nef .npy .nii .orf .pcx .pef .psb .psd .qoi .raf .raw .rw2 .sgi .srw .svgz .tga .wdp .wmf .xcf"
)
NAMED_TYPES = mimetypes.MimeTypes()  # the standard library's own table, without the files of the system
UNREAD_SUFFIXES = frozenset(UNREAD.split()) | {
    suffix
    for table in NAMED_TYPES.types_map
    for suffix, kind in table.items()
    if kind.startswith("image/")
} - SUFFIXES  # fmt: skip
UNREAD_SUFFIXES |= frozenset(suffix for text in READERS.values() for suffix in text.split()) - SUFFIXES
KNOWN_SUFFIXES = SUFFIXES.union(UNREAD_SUFFIXES, *NAMED_TYPES.types_map, NAMED_TYPES.encodings_map)

FIRST_BYTES = 32
SIGNATURES = (  # of the formats above and of those that people most often have without a suffix
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"8BPS", b"v/1\x01", b"\xff\x0a",
    b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x0cJXL \r\n\x87\n", b"qoif", b"\x93NUMPY", b"gimp xcf",
)  # fmt: skip
HEIF_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1")


def is_read(name: str) -> bool:
    """Return whether a file of this name is read as an image."""
    return Path(name).suffix.lower() in SUFFIXES


def is_unread_image(name: str) -> bool:
    """Return whether a file of this name is an image by its suffix, but of a format that is not read."""
    return Path(name).suffix.lower() in UNREAD_SUFFIXES


def has_known_suffix(name: str) -> bool:
    """Return whether the suffix says what kind of file it is, so that its first bytes need not be read."""
    return Path(name).suffix.lower() in KNOWN_SUFFIXES


def begins_like_an_image(path: Path) -> bool:
    """Return whether the first bytes of a regular file are those of an image; a file that can't be read is none."""
    try:
        if not S_ISREG(path.stat().st_mode):  # opening a pipe would block
            return False
        with path.open("rb") as file:
            head = os.read(file.fileno(), FIRST_BYTES)
    except OSError:
        return False
    riff = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    heif = head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS
    bitmap = head[:2] == b"BM" and head[6:10] == b"\0\0\0\0"
    netpbm = len(head) > 2 and head[:1] == b"P" and head[1:2] in b"123456f" and head[2:3].isspace()
    return head.startswith(SIGNATURES) or riff or heif or bitmap or netpbm
