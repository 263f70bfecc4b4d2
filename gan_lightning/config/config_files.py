"""Config files that can't be used: the file, its line and the cure.

Hydra and PyYAML report them with a traceback or without the file, and an experiment without its first line as unknown keys.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_lightning.config.errors import one_line

PACKAGE = "# @package _global_"  # the first line of an experiment
CURES = {  # beginning of PyYAML's problem or context → what is wrong, and the cure
    "found character '\\t'": "a tab; indent with spaces",
    "found character that cannot start": "a tab, or a sign that begins no text; indent with spaces",  # libyaml's words
    "while scanning a quoted scalar": "a quote without its partner; close it, or write the text without quotes",
    "mapping values are not allowed": "a second ': ' in one line, or a wrong indentation; quote the text, or align the keys",
    "expected <block end>": "a wrong indentation; align the keys of one level",
    "could not find expected ':'": "no ': ' after the key; write key: value",
    "could not determine a constructor": "a tag, which begins with !; write plain YAML without tags",
    "while parsing a flow sequence": "a [ without its partner; close it",
    "while parsing a flow mapping": "a { without its partner; close it",
}
BEGUN = (
    "while scanning a quoted scalar",
    "while scanning a simple key",
    "while parsing a flow",
)  # marked where they begin
DUPLICATE = re.compile(r"found duplicate key (.+)")


def find_cause(error: Exception, folder: Path | None) -> list[str]:
    """Return the error lines for an exception that Hydra raised while it read config files, such as those in `folder`."""
    file = Path(error.problem_mark.name) if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark else None
    if file is not None and file.is_file():
        return [find_file_mistake(file) or f"{file}: {one_line(error)}"]
    of_files = isinstance(error, yaml.YAMLError | OSError | ValueError) and folder is not None
    return (list(find_file_mistakes(folder)) if of_files and folder else []) or [one_line(error)]


def find_file_mistake(path: Path) -> str | None:
    """Return an error line if a file is no YAML in UTF-8, otherwise None. A byte order mark is accepted."""
    try:
        OmegaConf.create(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        return f"{path}: {describe_undecodable(error)}"
    except yaml.MarkedYAMLError as error:
        return f"{path}: {describe_yaml_error(error)}"
    except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException) as error:
        return f"{path}: {one_line(error)}"
    return None


def describe_undecodable(error: UnicodeDecodeError) -> str:
    """Return the line number of the first byte that is not UTF-8, and the cure."""
    return f"line {error.object[: error.start].count(10) + 1}: not UTF-8; save it as UTF-8"


def describe_yaml_error(error: yaml.MarkedYAMLError) -> str:
    """Return the line number of a mistake in a YAML file, what is wrong there, and the cure."""
    problem, context = error.problem or "", error.context or ""
    mark = error.context_mark if context.startswith(BEGUN) and error.context_mark else error.problem_mark
    if match := DUPLICATE.match(problem):
        why = f"the key {match[1]} is there twice; keep one"
    else:
        why = next((cure for start, cure in CURES.items() if start in (problem[: len(start)], context[: len(start)])), problem)
    return f"line {mark.line + 1}: {why}" if mark else why


def find_file_mistakes(folder: Path) -> Iterator[str]:
    """Yield an error line for each YAML file below a folder that can't be read."""
    for path in sorted(folder.rglob("*.yaml")):
        if line := find_file_mistake(path):
            yield line


def find_package_mistakes(folder: Path) -> Iterator[str]:
    """Yield an error line for each experiment below a folder whose first line is not PACKAGE."""
    for path in sorted((folder / "experiment").glob("*.yaml")):
        if line := find_package_mistake(path):
            yield line


def find_package_mistake(path: Path) -> str | None:
    """Return an error line if an experiment's first line is not PACKAGE as Hydra reads it; None, too, if there is no file."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if content.startswith(codecs.BOM_UTF8):
        return f"{path}: line 1: begins with a byte order mark; save it as UTF-8 without one"
    first = next((line.strip() for line in content.decode(errors="replace").splitlines() if line.strip()), "")
    return None if re.fullmatch(r"#\s*@package\s+_global_", first) else f"{path}: line 1: should be '{PACKAGE}'"


def find_misplaced_option(folder: Path, group: str, option: str) -> str | None:
    """Return the end of an error line if a file of this name lies in another place of the folder, otherwise None."""
    wanted = folder / group / f"{option}.yaml"
    found = [path for path in sorted(folder.rglob(f"{option}.*")) if path.suffix in (".yaml", ".yml") and path != wanted]
    return f"{found[0]} is not an option of {group} there; move it to {wanted}" if found else None
