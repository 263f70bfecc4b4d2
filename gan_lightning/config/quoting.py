"""Values of the command line, quoted for Hydra's override grammar.

    data.root=ảnh mèo      → data.root='ảnh mèo'          a text that the grammar can't read
    data.root=a,b          → data.root='a,b'              a text that it reads as something else
    data.root=ảnh/${name}  → data.root='ảnh/${name}'      an interpolation stays one
    data.root='a b'        → unchanged                    quoted for Hydra already

What a shell hands over as one word is one value where a key takes a text. Which keys do: `text_keys`.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Sweep
from hydra.errors import HydraException, OverrideParseException

from gan_lightning.config.errors import one_line
from gan_lightning.storage.home import expand_home

UNREADABLE = object()  # in place of a value that Hydra's grammar can't read
KEY = re.compile(r"[+~]{0,2}[\w$][\w$./@:-]*", re.ASCII)
SWEEP_FUNCTION = re.compile(r"(sort|shuffle|tag)\(")
CHOICE = re.compile(r"choice\((.*)\)", re.DOTALL)
QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
SCALAR = re.compile(rf"({QUOTED})|([^\[\]{{}},'\"]+)", re.DOTALL)  # in a list or a mapping
MAPPING_KEY = re.compile(r"(\s*\w+\s*:(?!//)\s*)(.*)", re.DOTALL)  # a URL's colon separates no key


def quote_value(text: str) -> str:
    """Return `text` as a quoted string from which Hydra's override grammar and OmegaConf read back the same text."""
    return quote_template(re.sub(r"(\\*)\$\{", r"\1\1\\${", text))  # OmegaConf would replace ${…} by another key's value


def quote_template(text: str) -> str:
    """Return `text` as a quoted string for Hydra's override grammar, in which interpolations `${…}` stay interpolations."""
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)\Z", r"\1\1", escaped) + "'"  # an odd backslash at the end would escape the closing quote


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


@cache
def read_value(word: str) -> Any:
    """Return the value that Hydra reads in `key=word`, or UNREADABLE."""
    try:
        return _parser().parse_override(f"key={word}").value()
    except (HydraException, ValueError):
        return UNREADABLE


def describe_unreadable(error: HydraException) -> str:
    """Return the error line for an override that Hydra's grammar can't read."""
    if not isinstance(error, OverrideParseException):
        return one_line(error)
    key, equals, word = error.override.partition("=")
    if not equals:
        return f"{key}: neither key=value nor a switch; see gan-train --help"
    if not KEY.fullmatch(key):
        return f"{error.override}: {key or 'nothing'} is no key; a key is words of a-z, 0-9 and _, with dots between them"
    if read_value(word) is not UNREADABLE:
        return one_line(error)
    return f"{error.override}: the value can't be read; as one text, in a shell's quotes: {key}={quote_value(word)}"


def quote_text(word: str, nullable: bool = False) -> str:
    """Return a word quoted so that Hydra reads exactly its characters, or unchanged if Hydra does so anyway.

    Unchanged, too, are a word that is quoted already, and `null` if the key is `nullable`.
    """
    value = read_value(word)
    if value == word or (isinstance(value, str) and word[:1] in ("'", '"')) or (nullable and value is None):
        return word
    return quote_template(word) if re.search(r"\$\{.*\}", word, re.DOTALL) else quote_value(word)


def quote_swept_texts(word: str, nullable: bool = False) -> str:
    """Return the values of a sweep, `a,b` or `choice(a,b)`, each quoted by `quote_text`.

    A word is one text in spite of its commas if a file or folder of this name exists, or if nothing stands beside a comma.
    """
    if os.path.exists(expand_home(word)):  # noqa: PTH110 (Path.exists raises OSError for a name that is too long)
        return quote_text(word, nullable)
    if match := CHOICE.fullmatch(word):
        return f"choice({quote_swept_texts(match[1], nullable)})"
    if isinstance(value := read_value(word), Sweep) and (SWEEP_FUNCTION.match(word) or not isinstance(value, ChoiceSweep)):
        return word
    parts = split_at_commas(word)
    return ",".join(quote_text(part, nullable) for part in parts) if all(parts) else quote_text(word, nullable)


def split_at_commas(word: str) -> list[str]:
    """Return the parts between the commas of a word, without spaces at their ends; quotes and brackets enclose commas."""
    parts, depth = [""], 0
    for piece in re.findall(rf"{QUOTED}|.", word, re.DOTALL):  # a quoted text, or one character
        depth += (piece in "([{") - (piece in ")]}") if len(piece) == 1 else 0
        if piece == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts]


def quote_scalars(word: str) -> str:
    """Return a list or mapping in which each scalar that Hydra can't read is quoted, or another word unchanged."""

    def quote(match: re.Match[str]) -> str:
        if match[1] or not match[2].strip():
            return match[0]
        key = MAPPING_KEY.fullmatch(match[2]) if word.startswith("{") else None
        head, scalar = (key[1], key[2]) if key else ("", match[2])
        bare = scalar.strip()
        return match[0] if not bare or read_value(bare) is not UNREADABLE else head + quote_text(bare)

    return SCALAR.sub(quote, word) if word[:1] in ("[", "{") and "${" not in word else word
