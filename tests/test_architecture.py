"""A room never imports from a room above it, and no two rooms import each other."""

import ast
from pathlib import Path

import networkx as nx
import pytest

import matseek

PACKAGE = Path(matseek.__file__).parent

FLOORS = [
    {"cli"},
    {"watching"},
    {"terminal"},
    {"comparison", "configuration", "desk"},
    {"interpolations", "parts"},
    {"campaign"},
    {"record"},
    {"tracking"},
    {"searchers", "report"},
    {"standing"},
    {"evaluation", "insight"},
    {"models", "data", "problems"},
    {"acquisition", "diffusion", "potentials", "spaces"},
    {"tables"},
    {"cells", "checks", "errors", "files", "identity", "logs", "processes", "secrets"},
]
HEIGHT = {room: -floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports():
    """Pairs (importing room, imported room) of the whole package, those inside functions among them."""
    for path in PACKAGE.rglob("*.py"):
        room = room_of(path)
        if room == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "matseek" else [node.module]
            for name in names:
                parts = name.split(".")
                if parts[0] == "matseek" and len(parts) > 1 and parts[1] != room:
                    yield room, parts[1], path


def test_every_room_is_on_a_floor():
    assert {room_of(p) for p in PACKAGE.rglob("*.py")} - {"__init__"} <= set(HEIGHT)


def test_no_room_imports_from_above():
    wrong = [
        f"{path.name}: {a} imports {b}"
        for a, b, path in imports()
        if HEIGHT.get(b, 0) > HEIGHT[a] and b != "__version__"
    ]
    assert wrong == []


def test_no_two_rooms_import_each_other():
    graph = nx.DiGraph([(a, b) for a, b, _ in imports()])
    assert list(nx.simple_cycles(graph)) == []


@pytest.mark.parametrize(("a", "b"), [("spaces", "problems"), ("acquisition", "searchers"), ("report", "campaign")])
def test_the_test_would_notice(a, b):
    assert HEIGHT[b] > HEIGHT[a]
