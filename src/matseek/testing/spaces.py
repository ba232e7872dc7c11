"""The contract of a space, see :class:`matseek.core.space.Space`."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from matseek.core.space import BoxSpace, BoxView, Space, StructureSpace
from matseek.testing.rules import ConformanceError, Rules, copied, same_plain

FloatArray = npt.NDArray[np.float64]
Draw = Callable[[int, np.random.Generator], FloatArray]

_POINTS = 8
"""Samples that are looked at."""

_FIXED = 1e-6
"""Agreement of coordinates that were carried there and back, as a fraction of the window."""


def check_space(space: Space, seed: int = 0) -> None:
    """Certify a space.

    Names and labels are unique; samples lie inside, are refused by nothing and depend on the generator alone; NaN and
    wrong shapes are told; tables and descriptions hold the points and the space. A space that can be seen as a box, or
    as structures, keeps the rules of these views as well.

    Args:
        space: The space.
        seed: Of the samples.

    Raises:
        ConformanceError: If it breaks a rule; the message says which, what was found and what to change.
    """
    rules = Rules(f"the space {type(space).__name__}")
    _check_names(rules, space)
    samples = _check_samples(rules, space, seed)
    _check_membership(rules, space, samples)
    _check_tables(rules, space, samples)
    _check_description(rules, space, samples)
    view, structures = space.as_box(), space.as_structures()
    if view is not None:
        _check_box(rules, space, view, samples, seed)
    if structures is not None:
        _check_structures(rules, structures, samples, seed)


def _check_names(rules: Rules, space: Space) -> None:
    names, labels = space.names, space.labels
    for what, found in (("names", names), ("labels", labels)):
        texts = isinstance(found, tuple) and all(isinstance(n, str) and n for n in found)
        rules.require(texts, f"{what} are a tuple of texts", found, f"return tuple(...) of texts from {what}")
        rules.require(len(set(found)) == len(found), f"{what} are unique", found, "name every coordinate differently")
    rules.require(names, "a space has at least one coordinate", names, "name the coordinates")
    rules.require(space.dim == len(names), "dim is the number of names", space.dim, "leave dim to the base class")
    rules.require(len(labels) == len(names), "there is a label for each name", labels, "give one label per name")
    known = {c.name for c in space.readable}
    rules.require(
        len(known) in (0, len(names)), "readable names all coordinates or none", known, "return one for each column"
    )


def _check_samples(rules: Rules, space: Space, seed: int) -> FloatArray:
    samples = _check_draws(rules, space, "sample_uniform", space.sample_uniform, seed)
    other = space.sample_uniform(_POINTS, np.random.default_rng(seed + 1))
    rules.require(
        not np.array_equal(samples, other),
        "sample_uniform gives other points for another generator",
        samples[0],
        "draw from rng, and keep no seed of your own",
    )
    rules.require_array("sample_uniform(1, rng)", space.sample_uniform(1, np.random.default_rng(seed)), (1, space.dim))
    _check_draws(rules, space, "sample_opening", space.sample_opening, seed)
    return samples


def _check_draws(rules: Rules, space: Space, name: str, draw: Draw, seed: int) -> FloatArray:
    samples, again = (draw(_POINTS, np.random.default_rng(seed)) for _ in range(2))
    found = rules.require_array(f"{name}(m, rng)", samples, (_POINTS, space.dim))
    rules.require(
        np.array_equal(samples, again),
        f"{name} gives the same points for the same generator",
        f"{samples[0]} and {again[0]}",
        "draw from rng alone, not from a global generator",
    )
    inside = np.asarray(space.contains(samples))
    rules.require(
        inside.shape == (_POINTS,) and inside.dtype == bool,
        "contains(points) gives a boolean for each point",
        f"{inside.dtype} of shape {inside.shape}",
        "return a boolean array of shape (m,)",
    )
    rules.require(
        inside.all(), f"points of {name} lie inside the space", samples[~inside][:1], "sample what contains() accepts"
    )
    refused = [text for text in space.refusals(samples) if text]
    rules.require(not refused, f"points of {name} are refused by nothing", refused, "sample what refusals() allows")
    return found


def _check_membership(rules: Rules, space: Space, samples: FloatArray) -> None:
    for column in range(space.dim):
        broken = samples.copy()
        broken[:, column] = np.nan
        with np.errstate(all="ignore"):
            found = np.asarray(space.contains(broken))
        rules.require(not found.any(), "a point with NaN lies in no space", space.names[column], "test np.isfinite")
    refusals = space.refusals(samples)
    texts = isinstance(refusals, list) and len(refusals) == _POINTS and all(isinstance(t, str) for t in refusals)
    rules.require(texts, "refusals(points) is a list with a text for each point", refusals, "return one text each")
    shapes = (np.zeros((2, space.dim + 1)), np.zeros((2, 2, space.dim)))
    for wrong in shapes:
        rules.require_refusal(
            lambda wrong=wrong: space.as_points(wrong),  # type: ignore[misc]
            f"as_points refuses an array of shape {wrong.shape} by a ValueError",
            "leave as_points to the base class",
        )
    rules.require(
        np.array_equal(space.as_points(samples[0]), samples[:1]),
        "as_points makes a row of a single point",
        space.as_points(samples[0]),
        "leave as_points to the base class",
    )


def _check_tables(rules: Rules, space: Space, samples: FloatArray) -> None:
    frame = space.to_frame(samples)
    rules.require(
        list(frame.columns) == list(space.labels),
        "the columns of to_frame are the labels",
        list(frame.columns),
        "leave to_frame to the base class",
    )
    rules.require_close(
        space.from_frame(frame), samples, "from_frame undoes to_frame", "leave both to the base class", tolerance=1e-12
    )


def _check_description(rules: Rules, space: Space, samples: FloatArray) -> None:
    described = space.describe()
    rules.require_plain("describe()", described)
    other = copied(space).describe()
    rules.require(
        same_plain(described, other) and same_plain(described, space.describe()),
        "equal spaces have equal descriptions",
        f"{described} and {other}",
        "describe settings, not identities, times or random numbers",
    )
    columns: tuple[object, ...]
    try:
        columns = space.columns_of(json.loads(json.dumps(described)))
    except ValueError as error:
        columns = (str(error),)
    rules.require(
        columns == tuple(range(space.dim)),
        "columns_of(its own description) are its own columns, also where the description was stored as JSON",
        columns,
        "describe with lists and texts, not with tuples; find coordinates by name and unit",
    )
    reached = space.reaches(samples)
    rules.require(
        bool(np.all(reached)),
        "reaches() what it contains",
        f"{int(np.sum(~reached))} of {len(samples)} own points are not reached",
        "models may learn from whatever may be evaluated",
    )


def _check_box(rules: Rules, space: Space, view: BoxView, samples: FloatArray, seed: int) -> None:
    box = view.box
    itself = box.as_box()
    rules.require(
        itself is not None and itself.box is box, "the box of as_box() is a box", type(box).__name__, "give it a Box"
    )
    if box is not space:
        try:
            check_space(box, seed)
        except ConformanceError as error:
            raise ConformanceError(
                rules.subject, "the box of as_box() keeps its own contract", str(error), error.remedy
            ) from error
    else:
        _check_windows(rules, box, samples, seed)
    coordinates = view.coordinates(samples)
    rules.require_array("coordinates(points)", coordinates, (len(samples), box.dim))
    rules.require(box.contains(coordinates).all(), "coordinates lie in the box", coordinates[0], "clip to its windows")
    drawn = box.sample_uniform(_POINTS, np.random.default_rng([seed, 1]))
    points = view.points(drawn)
    rules.require_array("points(coordinates)", points, (_POINTS, space.dim))
    inside = np.asarray(space.contains(points))
    rules.require(
        inside.all(), "every point of the box is a point of the space", drawn[~inside][:1], "narrow the box, or map it"
    )
    refused = [text for text in space.refusals(points) if text]
    rules.require(not refused, "no point of the box is refused", refused, "let the box hold what may be evaluated")
    for name, before in (("coordinates", coordinates), ("samples of the box", drawn)):
        after = view.coordinates(view.points(before))
        offset = box.unit_offset(box.normalize(after), box.allowed(box.normalize(before)))
        rules.require(
            np.abs(offset).max() <= _FIXED,
            f"coordinates(points(c)) is c, or the nearest point that is allowed, for {name}",
            f"{before[np.abs(offset).max(axis=1).argmax()]} comes back as {after[np.abs(offset).max(axis=1).argmax()]}",
            "make points() and coordinates() each other's inverse on what allowed() gives",
        )
    _check_allowed(rules, space, view, seed)
    if space.as_structures() is None:
        rules.require_close(
            view.points(coordinates),
            samples,
            "points(coordinates(p)) is p",
            "make points() and coordinates() each other's inverse",
            tolerance=_FIXED,
        )


def _check_allowed(rules: Rules, space: Space, view: BoxView, seed: int) -> None:
    """What may be tried lies in the box and in the space, stays where it is, and is listed where it is little."""
    box = view.box
    drawn = box.unit_polytope.sample(_POINTS, np.random.default_rng([seed, 3]))
    allowed = rules.require_array("allowed(unit_points)", box.allowed(drawn), drawn.shape)
    rules.require(
        box.contains(box.unnormalize(allowed)).all(),
        "allowed points lie in the box",
        allowed[0],
        "keep to its constraints",
    )
    points = view.points(box.unnormalize(allowed))
    rules.require(space.contains(points).all(), "allowed points lie in the space", points[0], "keep to contains()")
    again = box.unit_offset(box.allowed(allowed), allowed)
    rules.require(
        np.abs(again).max() <= _FIXED,
        "allowed(allowed(u)) is allowed(u)",
        allowed[0],
        "leave allowed points where they are",
    )
    for name, draw in (("sample_uniform", box.sample_uniform), ("sample_latin_hypercube", box.sample_latin_hypercube)):
        unit = box.normalize(draw(_POINTS, np.random.default_rng([seed, 4])))
        off = np.abs(box.unit_offset(box.allowed(unit), unit)).max()
        rules.require(off <= _FIXED, f"points of {name} may be tried", unit[0], "give what allowed() gives")
    choices = box.choices
    if choices is None:
        return
    rules.require_array("choices", choices, (len(choices), box.dim))
    off = np.abs(box.unit_offset(box.allowed(choices), choices)).max()
    rules.require(off <= _FIXED, "all choices may be tried", choices[0], "list what allowed() gives")
    nearest = np.abs(box.unit_offset(allowed[:, None], choices)).max(axis=2).min(axis=1)
    rules.require(nearest.max() <= _FIXED, "choices hold all that may be tried", allowed[nearest.argmax()], "list it")


def _check_windows(rules: Rules, box: BoxSpace, samples: FloatArray, seed: int) -> None:
    """What a box has besides a space: windows, unit coordinates and hypercubes."""
    lower = rules.require_array("lower", box.lower, (box.dim,))
    upper = rules.require_array("upper", box.upper, (box.dim,))
    rules.require((lower < upper).all(), "windows have a width", f"{lower}, {upper}", "give lower < upper")
    variables = [v.name for v in box.variables]
    rules.require(variables == list(box.names), "variables are in the order of names", variables, "sort them alike")
    unit = rules.require_array("normalize(points)", box.normalize(samples), samples.shape)
    rules.require(
        (unit >= -_FIXED).all() and (unit <= 1 + _FIXED).all(), "unit coordinates lie in [0, 1]", unit, "see normalize"
    )
    rules.require_close(
        box.unnormalize(unit), samples, "unnormalize undoes normalize", "leave both to the base class", tolerance=_FIXED
    )
    cube = box.sample_latin_hypercube(_POINTS, np.random.default_rng(seed))
    rules.require_array("sample_latin_hypercube(n, rng)", cube, (_POINTS, box.dim))
    rules.require(box.contains(cube).all(), "a Latin hypercube lies inside the box", cube, "keep to the constraints")


def _check_structures(rules: Rules, space: StructureSpace, samples: FloatArray, seed: int) -> None:
    """What a space of structures has: atoms and points undo each other, and images are the same structure."""
    n, fixed = space.size, len(space.template)
    rules.require(space.dim == 3 * n, "a point has three numbers for each free atom", space.dim, "see StructureSpace")
    for point in samples[:3]:
        atoms = space.atoms(point)
        rules.require(
            len(atoms) == fixed + n and np.array_equal(atoms.numbers[fixed:], space.numbers),
            "atoms(point) is the template followed by the free atoms",
            atoms.get_chemical_formula(),
            "append the free atoms in the order of numbers",
        )
        rules.require_close(space.point(atoms), point, "point(atoms(p)) is p", "make them each other's inverse")
        rules.require_close(
            atoms.positions[:fixed], space.template.positions, "atoms that never move do not", "copy the template"
        )
    shifts = np.random.default_rng([seed, 2]).integers(-2, 3, (len(samples), n, 2)) * space.pbc[:2] @ space.plane
    moved = samples.reshape(len(samples), n, 3).copy()
    moved[..., :2] += shifts
    images = moved.reshape(len(samples), -1)
    wrapped = rules.require_array("wrap(points)", space.wrap(images), samples.shape)
    for before, after in zip(samples[:3], wrapped[:3], strict=True):
        distances = [space.atoms(p).get_all_distances(mic=True) for p in (before, after)]
        rules.require_close(
            distances[1],
            distances[0],
            "wrap(points) and whole cell vectors change no distance",
            "move each atom by whole cell vectors in plane",
            tolerance=1e-7,
        )
    first = [members[0] for members in space.bodies.members]
    fractions = wrapped.reshape(len(wrapped), n, 3)[:, first, :2] @ np.linalg.inv(space.plane)
    rules.require(
        (fractions > -_FIXED).all() and (fractions < 1 + _FIXED).all(),
        "wrap(points) puts every atom into the cell (of a molecule, its first)",
        fractions,
        "take fractions modulo 1",
    )
    contiguous = space.sample_contiguous(2, np.random.default_rng(seed))
    rules.require_array("sample_contiguous(m, rng)", contiguous, (2, space.dim))
    refused = [text for text in space.refusals(contiguous) if text]
    rules.require(not refused, "contiguous structures are refused by nothing", refused, "draw again what overlaps")
    closeness = np.asarray(space.closeness(samples))
    rules.require(
        closeness.shape == (len(samples),) and (closeness >= 1 - _FIXED).all(),
        "samples keep the least distance: their closeness is at least 1",
        closeness,
        "draw again what overlaps",
    )
    walls = np.asarray(space.walls(samples))
    rules.require(
        walls.shape == (len(samples), n) and np.isin(walls, (-1, 0, 1)).all(),
        "walls(points) is -1, 0 or 1 for each free atom",
        walls,
        "return integers of shape (m, n)",
    )
