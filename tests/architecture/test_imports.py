"""Imports point one way, and `import retrograd` loads NumPy and nothing else.

Imports inside functions and under `if TYPE_CHECKING:` count: they hide a dependency, they do not remove it.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "retrograd"

# Lowest first: a module imports from its own package and those before it. `__init__` stands for the public names.
ORDER = [
    "errors", "config", "core", "graph", "primitives", "ops", "tensor", "transforms", "passes", "native", "jit",
    "nn", "optim", "learning", "explain", "testing", "data", "interop", "train", "plots", "report", "__init__", "cli", "__main__",
]  # fmt: skip

# (module, imported module) -> why it has to be. The test fails when an entry is no longer needed.
EXCEPTIONS = {
    ("retrograd.tensor.operators", "retrograd"): "NumPy's protocols ask a Tensor for the namespace of its functions",
}


def module_name(path, root):
    """`retrograd.core.sweep` for `core/sweep.py`; a package is named without `__init__`."""
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path, root):
    """The modules of the package that the file imports, anywhere in it, as (line, dotted name)."""
    top, own = root.name, module_name(path, root)
    package = own if path.name == "__init__.py" else own.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == top:
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            if source.split(".")[0] != top:
                continue
            for alias in node.names:
                name = f"{source}.{alias.name}"
                file = root.parent / name.replace(".", "/")
                yield node.lineno, name if file.is_dir() or file.with_suffix(".py").exists() else source


def layer(module):
    """`core` for `retrograd.core.sweep`, `__init__` for the root package."""
    return [*module.split("."), "__init__"][1]


def violations(root, order, exceptions):
    """Every import that does not point down the order, as text, and the exceptions that were needed."""
    rank = {name: place for place, name in enumerate(order)}
    wrong, used = {}, set()  # a dict keeps the order, and one line for the several names of one import
    for path in sorted(root.rglob("*.py")):
        own = module_name(path, root)
        if layer(own) == "__init__":
            continue  # the public names come from everywhere
        if layer(own) not in rank:
            wrong[f"{own}: {layer(own)} has no place in ORDER"] = True
            continue
        for line, target in imported(path, root):
            if layer(target) == layer(own) or rank.get(layer(target), len(order)) < rank[layer(own)]:
                continue
            if (own, target) in exceptions:
                used.add((own, target))
            else:
                wrong[f"{own}, line {line}: imports {target}, which stands above it"] = True
    return list(wrong), used


def test_imports_point_one_way():
    wrong, used = violations(PACKAGE, ORDER, EXCEPTIONS)
    assert not wrong, "\n" + "\n".join(wrong)
    assert used == set(EXCEPTIONS), f"no longer needed: {set(EXCEPTIONS) - used}"


@pytest.mark.parametrize(
    "text",
    [
        "import pkg.high",
        "from pkg.high import thing",
        "from pkg import high",
        "from .. import high",
        "from ..high import thing",
        "import pkg",
        "def f():\n    from pkg.high.module import thing",
        "if TYPE_CHECKING:\n    import pkg.high.module as m",
    ],
)
def test_an_import_upward_is_found_in_every_spelling(tmp_path, text):
    package = tmp_path / "pkg"
    for name in ("low", "high"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text("")
    (package / "high" / "module.py").write_text("from pkg.low import module\nfrom . import other\nimport numpy")
    (package / "low" / "module.py").write_text("from . import other\nimport pkg.low.other\nimport numpy.high")
    assert violations(package, ["low", "high", "__init__"], {}) == ([], set())

    (package / "low" / "module.py").write_text(text)
    (wrong,), _ = violations(package, ["low", "high", "__init__"], {})
    assert wrong.startswith("pkg.low.module, line")


def test_importing_retrograd_loads_numpy_alone():
    program = (
        "import sys; before = set(sys.modules); import retrograd\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*new - set(sys.stdlib_module_names))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    third_party = {name for name in run.stdout.split() if not name.startswith("_")}
    assert third_party == {"numpy", "retrograd"}
