"""The words of a file, one a line: a list such as /usr/share/dict/words, or the .dic file of a spelling dictionary of Hunspell.

Of a .dic file the first line, which counts the others, is skipped, and of each other line what follows a `/` or a tab: its
flags. Words with other letters than those of the alphabet, such as names with a capital, are left out, and words that are too
short or too long; a line on stderr counts them. The split of a word is a function of the word itself: `split`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any
from unicodedata import normalize

from gan_lightning.data.base import DataError, Share, Splits, SplitSizes, require_training_share
from gan_lightning.data.fingerprint import Entry, Fingerprint, hash_bytes
from gan_lightning.data.notices import print_notice
from gan_lightning.data.split import split_by_name
from gan_lightning.data.text import Lines, Text
from gan_lightning.step.types import Count, PathText
from gan_lightning.storage.data_file import MEBIBYTE, read_data_file
from gan_lightning.storage.home import expand_home

MAX_BYTES = 64 * MEBIBYTE  # of a file of words
DICTIONARY = ".dic"


class Words(Text):
    """Load the words of the file `root` that consist of letters of the `alphabet`, from `min_length` letters on."""

    def __init__(
        self,
        root: PathText,
        alphabet: str,
        min_length: Count = 1,
        validation: Share = 0.1,
        test: Share = 0.1,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.path, self.alphabet, self.min_length = expand_home(root), normalize("NFC", alphabet), min_length
        self.validation, self.test = validation, test

    def count(self) -> SplitSizes:
        train, validation, test = split_by_name(self.words, self.validation, self.test)
        return SplitSizes(len(train), len(validation), len(test))

    def load(self) -> Splits:
        self.count()
        symbols = self.encode(self.words)
        indices = split_by_name(self.words, self.validation, self.test)
        return Splits(*(Lines(symbols, self.sample_shape[0], index) for index in indices))

    def fingerprint(self) -> Fingerprint:
        content = self.content()
        entry = Entry(len(content), None, hash_bytes(content))
        return Fingerprint(
            kind=type(self).__name__,
            counts={"words": len(self.words)},
            classes=[],
            entries={self.path.name: entry},
            probes={},
        )

    @cached_property
    def words(self) -> list[str]:
        """Return the words that are used, sorted. Raises DataError if the config does not fit, or if there are none."""
        self.require_text_shape()
        require_training_share(self.validation, self.test)
        found, letters, longest = self.read_words(), set(self.alphabet), self.sample_shape[1]
        known = [word for word in found if letters.issuperset(word)]
        words = sorted(word for word in known if self.min_length <= len(word) <= longest)
        if not split_by_name(words, self.validation, self.test)[0].size:
            raise DataError(
                f"data.root: {self.path.absolute()} holds {len(found):,} words, {len(known):,} of them over the alphabet, but "
                f"for training none with {self.min_length} to {longest} letters; change data.alphabet or data.sample_shape"
            )
        if len(words) < len(found):
            other, size = len(found) - len(known), len(known) - len(words)
            print_notice(
                f"data.root: {len(words):,} of {len(found):,} words in {self.path.absolute()} are used; left out: {other:,} "
                f"with letters that are not in data.alphabet, {size:,} shorter than {self.min_length} or longer than {longest}"
            )
        return words

    def read_words(self) -> list[str]:
        """Return all different words of the file. Raises DataError if it can't be read as text in UTF-8."""
        try:
            text = self.content().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(
                f"data.root: {self.path.absolute()} is no text in UTF-8 (byte {error.start:,}); convert or replace it"
            ) from None
        lines = normalize("NFC", text).splitlines()
        if self.path.suffix.lower() == DICTIONARY:
            lines = [line.partition("\t")[0].partition("/")[0] for line in lines[1:]]
        return list(dict.fromkeys(word for line in lines if (word := line.strip())))

    def content(self) -> bytes:
        """Return the bytes of the file; a link to it is followed. Raises DataError if it can't be read."""
        try:
            return read_data_file(self.path.resolve(), MAX_BYTES)
        except OSError as error:
            raise DataError(
                f"data.root: {self.path.absolute()} can't be read ({error.strerror}); set data.root=FILE, a word a line"
            ) from None
