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
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def source_hash() -> str:
    """Hash all that the package does: statements and tables, not docstrings, comments or layout."""
    return digest_of_texts([table_hash(), *map(_statements, sorted(PACKAGE.rglob("*.py")))])


def table_hash() -> str:
    """Hash the tables of the package."""
    return hash_of_files(PACKAGE.rglob("*.tsv"), PACKAGE)


@cache
def code_hash(*modules: str) -> str:
    """Hash what modules and all they import from the package do.

    Results that a module computes stay valid for as long as this stays the same.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = path_of(name)
        if path is not None and name not in found:
            found[name] = path
            waiting += _imports(ast.parse(path.read_bytes()))
    return digest_of_texts(f"{name} {_statements(path)}" for name, path in sorted(found.items()))


def path_of(module: str) -> Path | None:
    """Return the file of a module of the package, None if there is none."""
    package, *parts = module.split(".")
    if package != PACKAGE.name:
        return None
    place = PACKAGE.joinpath(*parts)
    return next(filter(Path.is_file, (place.with_suffix(".py"), place / "__init__.py")), None)


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
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def digest_of_texts(texts: Iterable[str]) -> str:
    """Return the sha256 of texts, in hexadecimal."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def hash_of_files(paths: Iterable[Path], root: Path) -> str:
    """Hash files' names and contents."""
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in paths):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def installed_version(package: str) -> str:
    """Return the version of an installed package, "unknown" of sources that are not installed.

    ``tensorflow`` also stands for ``tensorflow-cpu``.
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
    return {"machine": platform.machine()} | {name: installed_version(name) for name in packages}


def environment() -> dict[str, str]:
    """Say what computes: the package's sources, versions, backend and device."""
    import keras

    packages = ("itn", "keras", keras.backend.backend(), "numpy")
    return {
        "source_sha256": source_hash(),
        "versions": ", ".join(f"{name} {installed_version(name)}" for name in packages),
        "device": f"{keras.distribution.list_devices()[0]} ({platform.machine()})",
    }
