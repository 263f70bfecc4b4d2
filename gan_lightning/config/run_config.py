"""The config.yaml of a run directory, which is data: bounded, without aliases and tags, and perhaps of an earlier version.

YAML expands an alias each time it is named, and parsers follow brackets as deep as they are nested, so a small file could fill
the memory. The stream of its events is therefore looked through before a value is built.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from gan_lightning.config.config_files import describe_undecodable, describe_yaml_error
from gan_lightning.config.errors import one_line
from gan_lightning.storage.data_file import read_data_file

MAX_BYTES = 2**18
MAX_DEPTH = 40  # of mappings and lists in each other
MAX_SCALAR = 4096  # letters of one value; a number of so many digits can still be printed
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where it is available: ten times as fast


class ConfigFileError(ValueError):
    """Signal that a file is no config; the message is one line without the file's name."""


def load_run_config(path: Path) -> DictConfig:
    """Return the config of a file, its interpolations kept. Raises OSError and ConfigFileError."""
    text = read_yaml(path)
    try:
        config = OmegaConf.create(text)
        assert isinstance(config, DictConfig)  # as `read_yaml` has found
        if mistake := find_key_mistake(OmegaConf.to_container(config, resolve=False)):
            raise ConfigFileError(mistake)
    except yaml.MarkedYAMLError as error:
        raise ConfigFileError(describe_yaml_error(error)) from None
    except Exception as error:  # OmegaConf may fail in any way
        raise ConfigFileError(one_line(error)) from None
    return config


def load_resolved(path: Path) -> dict[str, Any]:
    """Return a resolved config file as a plain dict, ten times as fast. Raises OSError and ConfigFileError."""
    loader = LOADER(read_yaml(path))
    try:
        plain = loader.get_single_data()
    except yaml.YAMLError as error:
        raise ConfigFileError(one_line(error)) from None
    finally:
        loader.dispose()
    if mistake := find_key_mistake(plain):
        raise ConfigFileError(mistake)
    return dict(plain)


def read_yaml(path: Path) -> str:
    """Return the text of a YAML file that holds one mapping of bounded size and depth. Raises OSError and ConfigFileError."""
    content = read_data_file(path, MAX_BYTES)
    try:
        text = content.decode("utf-8-sig")
        require_plain(text)
    except UnicodeDecodeError as error:
        raise ConfigFileError(describe_undecodable(error)) from None
    except yaml.MarkedYAMLError as error:
        raise ConfigFileError(describe_yaml_error(error)) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise ConfigFileError(one_line(error)) from None
    return text


def require_plain(text: str) -> None:
    """Check a YAML text without building its values. Raises ConfigFileError, and YAMLError if it is no YAML."""
    loader, depth, roots = LOADER(text), 0, 0
    try:
        while loader.check_event():
            event = loader.get_event()
            line = f"line {event.start_mark.line + 1}"
            if isinstance(event, yaml.AliasEvent):
                raise ConfigFileError(f"{line}: an alias, *{event.anchor}; write the value itself")
            if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR:
                raise ConfigFileError(f"{line}: a value of {len(event.value)} letters; at most {MAX_SCALAR} are read")
            if isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            if depth > MAX_DEPTH:
                raise ConfigFileError(f"{line}: mappings and lists are nested more than {MAX_DEPTH} deep")
            if isinstance(event, yaml.NodeEvent) and not roots:
                roots = 1
                if not isinstance(event, yaml.MappingStartEvent):
                    raise ConfigFileError("it is no config: a mapping of keys is expected")
    finally:
        loader.dispose()
    if not roots:
        raise ConfigFileError("it is no config: it is empty")


def find_key_mistake(node: Any, path: str = "") -> str | None:
    """Return an error line for the first key that is no name; None if all are. A name has no dot: it would be read as two."""
    if isinstance(node, list):
        return next(filter(None, (find_key_mistake(value, path) for value in node)), None)
    for key, value in node.items() if isinstance(node, dict) else ():
        if not isinstance(key, str) or not key or "." in key or not key.isprintable():
            return f"{path or 'the first level'}: the key {str(key)[:60]!r} should be a name"
        if mistake := find_key_mistake(value, f"{path}.{key}".lstrip(".")):
            return mistake
    return None
