"""Where a result comes from: hashes of sources and the versions of packages."""

import ast
import hashlib
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from itn.keras_settings import configured_backend

PACKAGE = Path(__file__).parent


@cache
def source_hash() -> str:
    """Return the sha256 of all that the package does, in hexadecimal.

    It changes with a statement or a table of the package, not with a docstring, a comment or the
    layout.
    """
    return _digest([_tables(), *map(_statements, sorted(PACKAGE.rglob("*.py")))])


def _tables() -> str:
    return hash_of_files(PACKAGE.rglob("*.tsv"), PACKAGE)


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
    return _digest([_tables(), code_hash(*sorted(filter(None, modules)))])


def _bound(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Name what is imported from the package: as what, and what it is."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                target = each.name if each.asname else PACKAGE.name
                if each.name.split(".")[0] == PACKAGE.name:
                    yield each.asname or PACKAGE.name, target
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


@cache
def code_hash(*modules: str) -> str:
    """Return the sha256 of what modules and all they import from the package do.

    Results that a module computes stay valid for as long as this stays the same.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _path_of(name)
        if path is not None and name not in found:
            found[name] = path
            waiting += _imports(ast.parse(path.read_bytes()))
    return _digest([f"{name} {_statements(path)}" for name, path in sorted(found.items())])


def _path_of(module: str) -> Path | None:
    """Return the file of a module of the package, None if there is none."""
    package, *parts = module.split(".")
    if package != PACKAGE.name:
        return None
    place = PACKAGE.joinpath(*parts)
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _imports(tree: ast.Module) -> Iterator[str]:
    """Name all that is imported anywhere in a module, and what may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # by its name, see `itn.registry`


@cache
def _statements(path: Path) -> str:
    """Return the syntax tree of a file as a text, less its docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def hash_of_files(paths: Iterable[Path], root: Path) -> str:
    """Return the sha256 of files' names and contents, in hexadecimal."""
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in paths):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def installed_version(package: str) -> str:
    """Return the version of an installed package.

    ``tensorflow`` also stands for ``tensorflow-cpu``; "unknown" where a package runs from sources
    that are not installed.
    """
    for name in (package, f"{package}-cpu"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def computed_with() -> dict[str, str]:
    """Say what numbers computed here depend on beside the package, without loading a backend."""
    packages = ("keras", "numpy", "pillow", "scipy", "xarray", configured_backend())
    versions = {name: installed_version(name) for name in packages}
    return {"machine": platform.machine(), **versions}


def environment() -> dict[str, str]:
    """Say what computes: the package's sources, versions, backend and device."""
    import keras

    packages = ("itn", "keras", keras.backend.backend(), "numpy")
    return {
        "source_sha256": source_hash(),
        "versions": ", ".join(f"{name} {installed_version(name)}" for name in packages),
        "device": f"{keras.distribution.list_devices()[0]} ({platform.machine()})",
    }
