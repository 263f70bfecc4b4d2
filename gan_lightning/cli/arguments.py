"""The command line of a command that trains nothing: `key=value …`, checked by a pydantic model."""

from __future__ import annotations

from typing import Any

import yaml

from gan_lightning.config.errors import UserError, suggest
from gan_lightning.config.resolve import Plain


def parse_arguments(known: type, line: list[str]) -> Any:
    """A small command's `key=value …` as an instance of a pydantic model; `--help` prints the model's docstring.

    Raises UserError: unknown keys with the nearest, missing ones, values of a wrong kind.
    """
    from pydantic import ValidationError

    if any(word in ("-h", "--help") for word in line):
        raise SystemExit(print((known.__doc__ or "").strip()))
    fields: dict[str, Any] = known.model_fields  # type: ignore[attr-defined]
    given: Plain = {}
    lines: list[str] = []
    for word in line:
        key, equals, value = word.partition("=")
        if not equals or key not in fields:
            lines.append(f"{word}: no such argument; {suggest(key, fields)}")
        else:
            text = "Path" in str(fields[key].annotation) or str(fields[key].annotation) in ("str", "<class 'str'>")
            try:
                given[key] = value if text else yaml.safe_load(value)
            except yaml.YAMLError:
                lines.append(f"{word}: can't be read")
            if not value:
                lines.append(f"{word}: empty")
    if lines:
        raise UserError(*lines)
    try:
        return known(**given)
    except ValidationError as error:
        raise UserError(
            *(
                f"{e['loc'][0]}: missing; it is needed: {e['loc'][0]}=…"
                if e["type"] == "missing"
                else f"{e['loc'][0]}={given[str(e['loc'][0])]}: {e['msg'][0].lower()}{e['msg'][1:]}"
                for e in error.errors()
            )
        ) from None
