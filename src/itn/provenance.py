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

    Returns
    -------
    str
        Changes when a statement or a table of the package changes, not when a docstring, a
        comment or the layout does.

    Examples
    --------
    >>> len(source_hash())
    64
    """
    return _digest([_tables(), *map(_statements, sorted(PACKAGE.rglob("*.py")))])


def _tables() -> str:
    return hash_of_files(PACKAGE.rglob("*.tsv"), PACKAGE)


def notebook_hash(code: str) -> str:
    """Return the sha256 of what the package does for a notebook, in hexadecimal.

    Parameters
    ----------
    code : str
        Its cells of code.

    Returns
    -------
    str
        `code_hash` of the modules whose public names it uses and that it imports. Where it does
        anything else with the package, and where it is not plain Python, `source_hash`.

    Examples
    --------
    >>> notebook_hash("import itn; itn.transform") == notebook_hash("import itn; itn.screen")
    False
    """
    try:
        tree = ast.parse(code)
    except SyntaxError:  # e.g. for a line that only notebooks know
        return source_hash()
    package, nodes = PACKAGE.name, list(ast.walk(tree))
    used = [
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == package
    ]
    mentions = sum(isinstance(node, ast.Name) and node.id == package for node in nodes)
    renamed = any(
        isinstance(node, ast.alias) and node.asname and node.name.split(".")[0] == package
        for node in nodes
    )
    names = {name for name in _imports(tree) if name.startswith(f"{package}.")}
    names |= {f"{package}.{name}" for name in used}
    modules = {_public_names().get(name, name) for name in names} | {f"{package}.__init__"}
    if renamed or mentions > len(used) or not all(map(_path_of, modules)):
        return source_hash()
    return _digest([_tables(), code_hash(*sorted(modules))])


@cache
def _public_names() -> dict[str, str]:
    """Return of each public name of the package in which module it is."""
    tree = ast.parse((PACKAGE / "__init__.pyi").read_bytes())
    return {
        f"{PACKAGE.name}.{each.name}": f"{PACKAGE.name}.{node.module}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for each in node.names
    }


@cache
def code_hash(*modules: str) -> str:
    """Return the sha256 of what modules and all they import from the package do.

    Results that a module computes stay valid for as long as this stays the same.

    Parameters
    ----------
    *modules : str
        Full names, e.g. ``"itn.screening"``.

    Returns
    -------
    str
        In hexadecimal; as `source_hash` deaf to docstrings, comments and layout.

    Examples
    --------
    >>> code_hash("itn.warp") == code_hash("itn.screening")
    False
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
    if package != PACKAGE.name or not parts:
        return None
    place = PACKAGE.joinpath(*parts)
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _imports(tree: ast.Module) -> Iterator[str]:
    """Name all that is imported anywhere in a module, and what may be a module in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


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
    """Return the sha256 of files' names and contents, in hexadecimal.

    Parameters
    ----------
    paths : iterable of Path
        Files below `root`, in any order.
    root : Path
        Folder their names are relative to.

    Returns
    -------
    str
        The same for the same names and contents.

    Examples
    --------
    >>> hash_of_files([], Path())[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in paths):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def installed_version(package: str) -> str:
    """Return the version of an installed package.

    Parameters
    ----------
    package : str
        Name of a distribution; ``tensorflow`` also stands for ``tensorflow-cpu``.

    Returns
    -------
    str
        Version, or "unknown" where the package runs from sources that are not installed.

    Examples
    --------
    >>> installed_version("numpy").count(".")
    2
    """
    for name in (package, f"{package}-cpu"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def computed_with() -> dict[str, str]:
    """Say what numbers computed here depend on beside the package, without loading a backend.

    Returns
    -------
    dict of str to str
        The versions of what the package computes with, the backend among them, and the kind of
        machine.

    Examples
    --------
    >>> {"keras", "machine", "numpy"} <= set(computed_with())
    True
    """
    packages = ("keras", "numpy", "pillow", "scipy", "xarray", configured_backend())
    versions = {name: installed_version(name) for name in packages}
    return {"machine": platform.machine(), **versions}


def environment() -> dict[str, str]:
    """Say what computes: the package's sources, versions, backend and device.

    Returns
    -------
    dict of str to str
        Attributes for a result.

    Examples
    --------
    >>> sorted(environment())
    ['device', 'source_sha256', 'versions']
    """
    import keras

    packages = ("itn", "keras", keras.backend.backend(), "numpy")
    return {
        "source_sha256": source_hash(),
        "versions": ", ".join(f"{name} {installed_version(name)}" for name in packages),
        "device": f"{keras.distribution.list_devices()[0]} ({platform.machine()})",
    }
