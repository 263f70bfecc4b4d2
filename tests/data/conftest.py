"""A fixture that records which image files are decoded."""

import pytest

from gan_lightning.data import decode_files


@pytest.fixture
def decoded(monkeypatch):
    """The names of all files that are decoded from here on."""
    names, decode = [], decode_files.decode

    def watched(path, *rest):
        names.append(path.name)
        return decode(path, *rest)

    monkeypatch.setattr(decode_files, "decode", watched)
    return names
