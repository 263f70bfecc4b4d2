"""The password in a database's URL: it stands in no line that is printed, and in no file that is passed on."""

from __future__ import annotations

import re

OF_USER = re.compile(r"(://[^:/@]*):(.*)@")  # it may contain : and / and @
OF_QUERY = re.compile(r"((?:password|passwd|pwd)=)([^&]*)", re.IGNORECASE)


def hide_password(text: str) -> str:
    """Return a database's URL, or an argument that holds one, with its password replaced by an ellipsis."""
    return OF_QUERY.sub(r"\1…", OF_USER.sub(r"\1:…@", text)) if "://" in text else text


def passwords(storage: str) -> list[str]:
    """Return the passwords in a database's URL."""
    return [password for _, password in [*OF_USER.findall(storage), *OF_QUERY.findall(storage)] if password]
