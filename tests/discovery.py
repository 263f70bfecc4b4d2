"""What a room holds, found by looking: tests discover, they keep no lists."""

import importlib
import pkgutil


def classes(room, base):
    """Dotted names of the classes of this kind that the room's files define, `base.py` apart."""
    modules = [f"{room.__name__}.{m.name}" for m in pkgutil.iter_modules(room.__path__) if m.name != "base" and not m.ispkg]
    held = [(m, c) for m in modules for c in vars(importlib.import_module(m)).values() if isinstance(c, type)]
    return {f"{m}.{c.__name__}" for m, c in held if issubclass(c, base) and c.__module__ == m}
