"""What a result depends on: the sources of the package that made it, and what these build on."""

import ast
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from itn.keras_settings import configured_backend
from itn.provenance import (
    PACKAGE,
    digest_of_texts,
    installed_version,
    source_hash,
    statements,
    table_hash,
)


def computed_with() -> dict[str, str]:
    """Say what numbers computed here depend on beside the package, without loading a backend."""
    packages = ("keras", "numpy", "pillow", "scipy", "xarray", configured_backend())
    return {"machine": platform.machine()} | {name: installed_version(name) for name in packages}


@cache
def code_hash(*modules: str) -> str:
    """Hash what modules and all they import from the package do.

    Results that a module computes stay valid for as long as this stays the same.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _path_of(name)
        if path is not None and name not in found:
            found[name] = path
            waiting += _imports(path)
    return digest_of_texts(f"{name} {statements(path)}" for name, path in sorted(found.items()))


def _path_of(module: str) -> Path | None:
    """Return the file of a module of the package, None if there is none."""
    package, *parts = module.split(".")
    if package != PACKAGE.name:
        return None
    place = PACKAGE.joinpath(*parts)
    return next(filter(Path.is_file, (place.with_suffix(".py"), place / "__init__.py")), None)


@cache
def _imports(path: Path) -> frozenset[str]:
    """Name all that is imported anywhere in a module, and what may be a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)  # by its name, see `itn.registry.room`
    return frozenset(found)


def notebook_hash(code: str) -> str:
    """Return the sha256 of what the package does for a notebook, in hexadecimal.

    That is the `code_hash` of the modules whose public names its cells use and that they import.
    Where they do anything else with the package, and where they are not plain Python, it is
    `source_hash`.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError:  # e.g. for a line that only notebooks know
        return source_hash()
    nodes = list(ast.walk(tree))
    imported = dict(_bound(nodes))
    rooms = {name: target for name, target in imported.items() if _path_of(target)}
    used = [
        f"{rooms[node.value.id]}.{node.attr}"
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in rooms
    ]
    mentions = sum(isinstance(node, ast.Name) and node.id in rooms for node in nodes)
    modules = set(map(_module_of, {*used, *imported.values(), PACKAGE.name}))
    if mentions > len(used) or None in modules:
        return source_hash()
    return digest_of_texts([table_hash(), code_hash(*sorted(filter(None, modules)))])


def _bound(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Name what is imported from the package: as what, and what it is."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name.split(".")[0] == PACKAGE.name:
                    yield each.asname or PACKAGE.name, each.name if each.asname else PACKAGE.name
                    yield f"import {each.name}", each.name  # under no name of its own
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            for each in node.names:
                yield each.asname or each.name, f"{node.module}.{each.name}"


def _module_of(name: str) -> str | None:
    """Return the module in which a name of the package is found, None if none is known."""
    if name in _public_names() or _path_of(name):
        return _public_names().get(name, name)
    parent = name.rpartition(".")[0]
    path = _path_of(parent)
    return None if path is None or path.name == "__init__.py" else parent


@cache
def _public_names() -> dict[str, str]:
    """Return of each public name of the package and its rooms in which module it is."""
    found: dict[str, str] = {}
    for stub in PACKAGE.rglob("__init__.pyi"):
        package = ".".join((PACKAGE.name, *stub.parent.relative_to(PACKAGE).parts))
        for node in ast.parse(stub.read_bytes()).body:
            if isinstance(node, ast.ImportFrom):
                names = (each.name for each in node.names)
                found |= {f"{package}.{name}": f"{package}.{node.module}" for name in names}
    return found
