"""Rules of primitives are written in primitives, and their mathematics stands in raw docstrings.

A rule that calls NumPy works until somebody differentiates, batches or compiles it.
"""

import ast
from pathlib import Path

import pytest

from retrograd.core.primitive import REGISTRY, Primitive

SOURCE = Path(__file__).parents[2] / "src" / "retrograd"
RULES = {"kernel", "partials", "routes", "transpose", "vjp", "jvp", "batch"}


def numpy_names(tree):
    """The names by which a file knows NumPy or parts of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((a.asname or a.name).split(".")[0] for a in node.names if a.name.split(".")[0] == "numpy")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numpy":
            yield from (a.asname or a.name for a in node.names)


def numpy_in_rules(source):
    """Where rule methods of a file's classes use NumPy, as `Class.rule, line n`."""
    tree = ast.parse(source)
    names = set(numpy_names(tree))
    for cls in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for statement in cls.body:
            for rule in RULES.intersection(defined(statement)):
                for node in ast.walk(statement):
                    if isinstance(node, ast.Name) and node.id in names:
                        yield f"{cls.name}.{rule}, line {node.lineno}"


def defined(statement):
    """The names that a statement of a class body gives a meaning."""
    if isinstance(statement, ast.FunctionDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return set()


def docstrings(source):
    """Every docstring of a file: (the node it belongs to, its literal in the source, its value)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            literal = first.value if isinstance(first, ast.Expr) else None
            if isinstance(literal, ast.Constant) and isinstance(literal.value, str):
                yield node, ast.get_source_segment(source, literal), literal.value


def primitives_without_raw_docstring(source):
    """Classes that are registered, by giving themselves a name, and whose docstring is missing or not raw."""
    raw = {node.name for node, literal, _ in docstrings(source) if hasattr(node, "name") and literal[:4] == 'r"""'}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and any("name" in defined(s) for s in node.body) and node.name not in raw:
            yield node.name


def files(folder):
    return sorted((SOURCE / folder).rglob("*.py"))


def where(path):
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", files("primitives"), ids=where)
def test_rules_use_no_numpy(path):
    assert list(numpy_in_rules(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", files("primitives"), ids=where)
def test_docstrings_of_primitives_are_raw(path):
    assert list(primitives_without_raw_docstring(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", files("."), ids=where)
def test_docstrings_have_no_control_characters(path):
    found = docstrings(path.read_text(encoding="utf-8"))
    bad = [text for _, _, text in found if any(ord(c) < 32 and c != "\n" for c in text)]
    assert bad == []


def test_numpy_is_found_under_any_name():
    source = """
import numpy as np
import numpy.linalg
from numpy import tanh as t
class P:
    def evaluate(self, x): return np.tanh(x)
    def vjp(self, ct, args, out): return ct * np.tanh(out)
    def partials(self, k, x, out): return t(x)
    def batch(self, args, dims): return numpy.linalg.inv(args[0])
    evaluate = transpose = staticmethod(np.transpose)
"""
    found = ["P.vjp, line 7", "P.partials, line 8", "P.batch, line 9", "P.transpose, line 10"]
    assert list(numpy_in_rules(source)) == found


def test_a_primitive_without_a_raw_docstring_is_found():
    source = '''
class FAMILY(Primitive):
    """No primitive: it has no name."""
class PLAIN(FAMILY):
    """y = x"""
    name, formula = "plain", "x"
class SILENT(FAMILY):
    name = "silent"
class RAW(FAMILY):
    r"""y = x"""
    name = "raw"
'''
    assert list(primitives_without_raw_docstring(source)) == ["PLAIN", "SILENT"]


def test_parameters_shadow_nothing():
    """A field called `reverse` would say that there is no reverse mode, and the laws would not try it."""
    inherited = {name for name in vars(Primitive) if not name.startswith("_")}
    shadowing = {
        f"{cls.__name__}.{field}"
        for cls in REGISTRY.values()
        for field in getattr(cls, "__dataclass_fields__", {})
        if field in inherited
    }
    assert not shadowing
