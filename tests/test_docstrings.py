"""Every public function says what it does, the shapes of its tensors and the errors it raises."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gan_lightning"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
UNSTATED = {"NotImplementedError", "AssertionError", "KeyboardInterrupt", "SystemExit"}  # part of no function's contract
NOT_A_VERB = {
    "a", "all", "an", "and", "any", "as", "at", "be", "both", "by", "each", "every", "everything", "for", "from", "he",
    "her", "here", "his", "how", "if", "in", "is", "it", "its", "like", "no", "none", "not", "nothing", "of", "on",
    "one", "only", "or", "she", "so", "some", "such", "that", "the", "their", "them", "then", "there", "these", "they",
    "this", "those", "to", "two", "under", "up", "was", "we", "were", "what", "when", "where", "whether", "which",
    "who", "whose", "why", "with", "without", "you", "your",
}  # fmt: skip


def functions(tree):
    """(function, class or None) of every public function and method, nested ones apart."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, None
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and (inner.name == "__init__" or not inner.name.startswith("_")):
                    yield inner, node


CLASSES = {node.name: node for path in FILES for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)}


def inherited(function, cls):
    """The same method of the bases of this package, nearest first."""
    for base in cls.bases if cls else ():
        name = base.id if isinstance(base, ast.Name) else base.attr if isinstance(base, ast.Attribute) else ""
        if known := CLASSES.get(name):
            yield from (f for f in known.body if isinstance(f, ast.FunctionDef) and f.name == function.name)
            yield from inherited(function, known)


def raised(function):
    """The names of the exceptions that its own statements raise, those of inner functions and re-raised ones apart."""
    found, todo = set(), list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            called = node.exc.func
            name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
            found |= {name} if name[:1].isupper() else set()
        todo += ast.iter_child_nodes(node)
    return found - UNSTATED


def without_shapes(function, cls, lines):
    """Whether it takes or returns tensors, and neither its signature nor a base's says their shapes."""
    given = [*function.args.args, *function.args.kwonlyargs]
    kinds = " ".join(ast.unparse(a) for a in [*(g.annotation for g in given), function.returns] if a is not None)
    if not re.search(r"\bTensor\b", kinds):
        return False
    signature = lines[function.lineno - 1 : function.body[0].lineno]
    return not any(re.search(r"#.*\(.*\)", line) for line in signature) and not any(inherited(function, cls))


def begins_with_a_verb(docstring):
    """As far as a list of words that are none can tell; a symbol or a number is none either."""
    first = docstring.split()[0]
    return first[0].isalpha() and first.rstrip(".,:;").lower() not in NOT_A_VERB


def breaches(path):
    text = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    for function, cls in functions(tree):
        where = f"{path.name}:{function.lineno} {f'{cls.name}.' if cls else ''}{function.name}"
        own = ast.get_docstring(function) or ""
        bases = list(inherited(function, cls))
        if without_shapes(function, cls, lines):
            yield f"{where}: no shapes at its signature, such as # (N, Z) -> (N, *sample_shape)"
        stated = " ".join([own, *(ast.get_docstring(base) or "" for base in bases)])
        stated += (ast.get_docstring(cls) or "") if function.name == "__init__" else ""
        for name in sorted(raised(function)):
            if not re.search(rf"\bRaises?\b[^\n]*(\n[^\n]*)?\b{name}\b", stated):
                yield f"{where}: does not say that it raises {name}"
        if own and function.name != "__init__" and not begins_with_a_verb(own):
            yield f"{where}: its docstring begins with {own.split()[0]!r}, not with a verb"
    for node in tree.body:
        own = isinstance(node, ast.ClassDef) and ast.get_docstring(node)
        if own and not node.name.startswith("_") and not begins_with_a_verb(own):
            yield f"{path.name}:{node.lineno} {node.name}: its docstring begins with {own.split()[0]!r}, not with a verb"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_shapes_errors_and_verbs(path):
    assert list(breaches(path)) == []


def test_a_function_without_them_is_seen(tmp_path):
    """The negative control: one function that states nothing, one that states all."""
    path = tmp_path / "x.py"
    path.write_text('def f(x: Tensor) -> int:\n    """The length."""\n    raise ValueError("no")\n')
    assert [line.partition(": ")[2].split(",")[0] for line in breaches(path)] == [
        "no shapes at its signature",
        "does not say that it raises ValueError",
        "its docstring begins with 'The'",
    ]
    path.write_text(
        'def f(x: Tensor) -> int:  # (N,)\n    """Return N. Raises ValueError without any."""\n    raise ValueError("no")\n'
    )
    assert list(breaches(path)) == []


def test_there_are_functions_to_look_at():
    found = [f for path in FILES for f, _ in functions(ast.parse(path.read_text()))]
    assert sum(bool(raised(f)) for f in found) > 60
