"""Where a result comes from: hashes of sources and the versions of packages."""

import ast
import hashlib
import platform
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from itn.keras_settings import devices

PACKAGE = Path(__file__).parent
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def source_hash() -> str:
    """Hash all that the package does: statements and tables, not docstrings, comments or layout."""
    return digest_of_texts([table_hash(), *map(statements, sorted(PACKAGE.rglob("*.py")))])


def table_hash() -> str:
    """Hash the tables of the package."""
    return hash_of_files(PACKAGE.rglob("*.tsv"), PACKAGE)


@cache
def statements(path: Path) -> str:
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


def environment() -> dict[str, str]:
    """Say what computes: the package's sources, versions, backend and device."""
    import keras

    packages = ("itn", "keras", keras.backend.backend(), "numpy")
    return {
        "source_sha256": source_hash(),
        "versions": ", ".join(f"{name} {installed_version(name)}" for name in packages),
        "device": f"{devices()[0]} ({platform.machine()})",
    }
