"""The table of all options, docs/options.md, from conf/, the classes' docstrings and docs/references.bib.

python scripts/list_options.py > docs/options.md
"""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gan_lightning.config.compose import config_dir

REFERENCES = Path(__file__).resolve().parent.parent / "docs" / "references.bib"
CITATION = re.compile(r"([A-Z][\w-]+)(?: et al\.| & ([A-Z][\w-]+))?,? ((?:19|20)\d\d[a-z]?)\b")
ENTRY = re.compile(r"^@\w+\{(\S+),$", re.MULTILINE)
BEGIN = """\
# All options

Made by `python scripts/list_options.py > docs/options.md` from the files of `conf/` and the docstrings of their classes, and
complete by test. A source is a key of [references.bib](references.bib), which has its BibTeX entry. How options are combined:
[configuration.md](configuration.md).
"""


def citation_key(match: re.Match[str]) -> str:
    """Return the key of a citation's BibTeX entry: in ASCII, such as arjovskybottou2017 for Arjovsky & Bottou 2017."""
    names = "".join(part for part in match.groups() if part).lower().replace("ı", "i").replace("ø", "o")
    return re.sub(r"\W", "", unicodedata.normalize("NFKD", names).encode("ascii", "ignore").decode())


def citations(text: str) -> list[str]:
    """Return the keys of the works that a text cites, each once, in order."""
    return list(dict.fromkeys(citation_key(match) for match in CITATION.finditer(" ".join(text.split()))))


def known_keys() -> set[str]:
    """Return the keys of all BibTeX entries."""
    return set(ENTRY.findall(REFERENCES.read_text(encoding="utf-8")))


def groups() -> list[str]:
    """Return the groups of options, such as optimizer/schedule, without those of Hydra."""
    folders = sorted({path.parent.relative_to(config_dir()).as_posix() for path in config_dir().rglob("*/*.yaml")})
    return [folder for folder in folders if not folder.startswith("hydra")]


def targets(node: Any) -> Iterator[str]:
    """Yield the classes that a config names."""
    if isinstance(node, dict):
        yield from ([node["_target_"]] if "_target_" in node else [])
        for value in node.values():
            yield from targets(value)


def describe(path: Path) -> tuple[str, list[str]]:
    """Return what an option is, in one line, and the keys of its sources.

    The comment at the beginning of its file has priority, then the docstring of the module of its first class.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    comment = [line[1:].strip() for line in lines[: next((i for i, line in enumerate(lines) if line[:1] != "#"), len(lines))]]
    comment = [line for line in comment if not line.startswith(("@package", "gan-train"))]
    content = yaml.safe_load(text) or {}
    named = list(dict.fromkeys(targets(content)))
    docstring = next((documentation(name) for name in named if name.startswith("gan_lightning.")), "")
    first = first_sentence(" ".join(comment)) or first_sentence(docstring.partition("\n\n")[0])
    if not first and named:
        first = ", ".join(f"`{name}`" for name in named)
    based = [str(entry) for entry in content.get("defaults", []) if entry != "_self_" and isinstance(entry, str)]
    if not first and based:
        first = f"{', '.join(f'`{name}`' for name in based)} with other values"
    return first or "Nothing", citations(" ".join(comment) + " " + docstring)


def documentation(name: str) -> str:
    """Return the docstring of a class's module, or of the class itself if its module defines several options."""
    module_name, _, class_name = name.rpartition(".")
    module = importlib.import_module(module_name)
    public = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module_name]
    siblings = [c for c in public if c.__bases__ == getattr(module, class_name).__bases__]
    several = len(siblings) > 1 and class_name not in ("Generator", "Discriminator")
    return (getattr(module, class_name) if several else module).__doc__ or ""


def first_sentence(text: str) -> str:
    """Return a text up to the end of its first sentence, without the mark at the end."""
    flat = " ".join(text.split())
    return re.split(r"(?<!et al)(?<!eq)\.(?:\s|$)|(?<=\?) ", flat, maxsplit=1)[0].rstrip(":")


def table() -> str:
    """Return the page."""
    parts = [BEGIN]
    for group in groups():
        parts += [f"\n## {group}\n", "| option | what it is | source |", "|---|---|---|"]
        for path in sorted((config_dir() / group).glob("*.yaml")):
            what, sources = describe(path)
            cell = what.replace("|", "\\|")
            parts.append(f"| `{path.stem}` | {cell} | {', '.join(sources)} |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(table(), end="")
