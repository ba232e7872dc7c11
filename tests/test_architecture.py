"""A room never imports from a room above it, and no two rooms import each other."""

import ast
from pathlib import Path

import networkx as nx
import pytest

import matseek

PACKAGE = Path(matseek.__file__).parent

FLOORS = [
    {"testing"},
    {"cli"},
    {"desk_verbs"},
    {"helping", "progress", "watching"},
    {"terminal", "workbench"},
    {"comparison", "desk", "sweeping"},
    {"runs"},
    {"configuration"},
    {"stored_config"},
    {"choices", "interpolations", "parts"},
    {"campaign"},
    {"record"},
    {"tracking"},
    {"searchers", "report"},
    {"godiff", "library", "results", "standing"},
    {"evaluation", "insight", "surrogates"},
    {"candidates", "problems"},
    {"acquisition", "descriptors", "diffusion", "networks", "potentials", "spaces", "training"},
    {"core"},
    {"geometry", "tables", "plugins"},
    {"deprecation", "run_folder"},
    {"checks", "compilation", "errors", "files", "identity", "logs", "processes", "secrets"},
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


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_two_modules_import_each_other():
    """Also where an import stands inside a function, or is for type checkers only."""
    paths = {module_of(path): path for path in PACKAGE.rglob("*.py")}
    graph = nx.DiGraph()
    for module, path in paths.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("matseek"):
                continue
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                target = inner if inner in paths else node.module
                # A package's __init__ only names what its modules define.
                if target in paths and paths[target].name != "__init__.py" and target != module:
                    graph.add_edge(module, target)
    assert [sorted(circle) for circle in nx.strongly_connected_components(graph) if len(circle) > 1] == []


def test_the_contracts_name_nothing_concrete():
    below = {"checks", "errors", "identity", "geometry"}
    wrong = [f"{path.name} imports {b}" for a, b, path in imports() if a == "core" and b not in below]
    assert wrong == []


CONCRETE = {
    "Box": "spaces",
    "Adlayer": "spaces",
    "AtomChart": "spaces",
    "RecipeProblem": "problems",
    "StructureProblem": "problems",
    "SpectralMatch": "problems",
    "ColourMatch": "problems",
    "SpectralObjective": "problems",
    "BayesianSearcher": "searchers",
    "NetworkSearcher": "searchers",
    "GODiffSearcher": "godiff",
    "BatchSearcher": "core",
    "BoxSpace": "core",
    "StructureSpace": "core",
    "GaussianProcess": "surrogates",
    "SpectrumNet": "surrogates",
    "FittedNetwork": "surrogates",
}


def test_no_room_but_its_own_asks_for_a_class():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                named = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                wrong += [f"{path.name}: {kind}" for kind in named & CONCRETE.keys() if CONCRETE[kind] != room_of(path)]
    assert wrong == []


NAMES = {
    "random",
    "lhs",
    "bayesian",
    "network",
    "two_step",
    "rss",
    "basin_hopping",
    "genetic",
    "minima_hopping",
    "godiff",
    "godiff_ffg",
    "godiff_transfer",
    "godiff_active",
    "gp",
}


def test_no_room_but_its_own_names_a_searcher_or_a_model():
    """A part is asked for its label; strings of other meaning (the seed's word "random") are none."""
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        if room_of(path) in {"searchers", "godiff", "surrogates", "parts"}:  # parts names rooms
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in NAMES:
                wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {node.value}")
    assert wrong == []


@pytest.mark.parametrize(("a", "b"), [("spaces", "problems"), ("acquisition", "searchers"), ("report", "campaign")])
def test_the_test_would_notice(a, b):
    assert HEIGHT[b] > HEIGHT[a]


def test_nothing_imports_the_conformance_kit():
    assert [path.name for _, b, path in imports() if b == "testing"] == []
