"""What of the package a notebook depends on, told by its code."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache

from itn.provenance import PACKAGE, code_hash, digest_of_texts, path_of, source_hash, table_hash


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
    rooms = {name: target for name, target in imported.items() if path_of(target)}
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
    if name in _public_names() or path_of(name):
        return _public_names().get(name, name)
    parent = name.rpartition(".")[0]
    path = path_of(parent)
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
