"""Who may import whom, and how large things may grow."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import itn

PACKAGE = Path(itn.__file__).parent
ROOMS = ("zoo", "phantom", "study")
MODULES = sorted(PACKAGE.rglob("*.py"))
REFERENCE = re.compile(r"(?<!`)`(itn(?:\.\w+)+)`(?!`)")


def dotted(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join((PACKAGE.name, *parts)).removesuffix(".__init__")


def room_of(module):
    """Return the room that a module lies in; the instrument has none."""
    part = module.split(".")[1:2]
    return part[0] if part and part[0] in ROOMS else ""


def imported(path, everywhere=True):
    """Return the modules of the package that one imports, anywhere or when it is imported."""
    tree = ast.parse(path.read_bytes())
    known = set(map(dotted, MODULES))
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: say the whole name"
            inner = {f"{node.module}.{each.name}" for each in node.names}
            found |= inner & known or {node.module}
    return {name for name in found if name.split(".")[0] == PACKAGE.name}


@pytest.mark.parametrize(
    ("room", "allowed"),
    [("", ("",)), ("zoo", ("", "zoo")), ("phantom", ("", "phantom")), ("study", ("", *ROOMS))],
    ids=["instrument", *ROOMS],
)
def test_who_may_import_whom(room, allowed):
    paths = [path for path in MODULES if room_of(dotted(path)) == room]
    assert paths
    for path in paths:
        wrong = {name for name in imported(path) if room_of(name) not in allowed}
        assert not wrong, f"{dotted(path)} imports {sorted(wrong)}"


def test_rooms_are_reached_by_names_that_are_there():
    calls = [
        node.args[0]
        for path in MODULES
        if not room_of(dotted(path))
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "room"
    ]
    assert all(isinstance(name, ast.Constant) for name in calls), "write the name out"
    named = {name.value for name in calls}
    assert named <= set(map(dotted, MODULES)) and set(map(room_of, named)) == {"zoo", "phantom"}


def test_no_circle_of_imports():
    waiting = {dotted(path): imported(path) - {PACKAGE.name} for path in MODULES}
    while waiting:
        free = {name for name, needs in waiting.items() if not needs & set(waiting) - {name}}
        assert free, f"a circle among {sorted(waiting)}"
        waiting = {name: needs for name, needs in waiting.items() if name not in free}


def test_what_import_itn_shows_is_the_instrument():
    tree = ast.parse((PACKAGE / "__init__.pyi").read_bytes())
    modules = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert sorted(itn.__all__) == sorted(each.name for node in tree.body for each in node.names)
    assert 0 < len(itn.__all__) <= 25
    assert all((PACKAGE / f"{module}.py").is_file() for module in modules)


def test_the_order_of_reading_names_files_of_the_instrument():
    text = (PACKAGE.parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    line = next(line for line in text.splitlines() if "in this order" in line)
    named = re.findall(r"`(\w+\.py)`", line)
    assert len(named) == 7 and all((PACKAGE / name).is_file() for name in named)


def test_what_docstrings_refer_to_is_there():
    files = [*MODULES, PACKAGE.parents[1] / "CONTRIBUTING.md"]
    named = {name for path in files for name in REFERENCE.findall(path.read_text("utf-8"))}
    assert len(named) > 20
    assert sorted(name for name in named if not is_there(name)) == []


def is_there(name):
    """Whether a dotted name is a module, or is found in the longest part of it that is one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part, None)
        return found is not None
    return False
