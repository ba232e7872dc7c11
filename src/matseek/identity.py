"""What tells two callables apart that have the same name: their code, and the files that they are given.

Code counts where it is the user's own: of installed packages, and of matseek, the name alone does. Comments, line
numbers, docstrings, names of variables and the folder of a module do not count. With the code of a function goes that
of the user's functions and classes that it names, its defaults, and what it closes over or reads from its module, as
far as that is plain unchanging data (numbers, texts, paths and tuples of them): lists and dicts may change while a
campaign runs.

Of an object, also of one whose method is given, the settings count: attributes that are named as parameters of its
constructor, with or without a leading underscore, and that no other method assigns. Counters, clocks and connections
are none.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from dis import get_instructions, hasconst
from functools import lru_cache, partial
from pathlib import Path, PurePath
from types import CodeType, FunctionType, MethodType
from typing import Any

FINGERPRINT = "fingerprint"
WAVELENGTHS = "wavelengths"
"""Keys of a problem's description that ledgers of earlier versions lack."""

ADDED = (FINGERPRINT, WAVELENGTHS)
"""These count as far as both descriptions have them."""

_INSTALLED = tuple(
    {str(Path(__file__).parent), *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))}
)
_PLAIN = (str, bytes, int, float, complex, bool, type(None), PurePath)
_MAKING = ("__init__", "__post_init__", "__new__", "__setstate__")
"""Methods that make an object."""

_SAME_CODE = f"{sys.implementation.cache_tag}:"
"""Bytecode can be compared within one version of Python only."""


def fingerprint(function: Callable[..., Any]) -> dict[str, Any]:
    """What belongs to a callable's identity besides its name, as plain data; empty for what is installed.

    Args:
        function: A function, a class, a ``functools.partial`` or an object; one that has a method ``describe()`` says
            itself what it is.

    Returns:
        ``code``: a hash of the code, after the version of Python; ``files``: by path, a hash of each file's content.
    """
    parts = list(_parts(function, set()))
    files = {str(p): _content(p) for p in parts if isinstance(p, Path)}
    code = [p for p in parts if isinstance(p, str)]
    result: dict[str, Any] = {"code": _SAME_CODE + _digest("\n".join(code))} if code else {}
    return {**result, "files": files} if files else result


def version(function: Callable[..., Any]) -> tuple[object, ...]:
    """Differs where a callable of this process, or a file that it is given, is another than before; cheap.

    Args:
        function: As for :func:`fingerprint`.
    """
    parts = _parts(function, set())
    inner = function
    while isinstance(inner, partial):
        inner = inner.func
    itself = inner if isinstance(inner, (FunctionType, type)) else None
    return itself, *(_stamp(p) if isinstance(p, Path) else p for p in parts)


def differing(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Keys in which two descriptions of problems differ; a fingerprint and wavelengths count as far as both have them.

    Args:
        there: As recorded, perhaps by an earlier version that knew neither, or another version of Python.
        here: Of the problem at hand.
    """
    known = {*there, *here} - {FINGERPRINT} - ({*ADDED} - (there.keys() & here.keys()))
    keys = [k for k in sorted(known) if there.get(k) != here.get(k)]
    a, b = there.get(FINGERPRINT, {}), here.get(FINGERPRINT, {})
    codes = [x["code"] for x in (a, b) if x.get("code", "").startswith(_SAME_CODE)]
    files = [x.get("files", {}) for x in (a, b)]
    same_files = all(files[0][path] == files[1][path] for path in files[0].keys() & files[1].keys())
    return keys if len({*codes}) < 2 and same_files else [*keys, FINGERPRINT]


def _parts(value: object, seen: set[int], *, data: bool = False) -> Iterator[str | Path]:
    """Code and data as text, and files.

    Args:
        value: A callable, or something that one is given.
        seen: Callables that have been looked at.
        data: Whether plain data counts; that of a partial is in its name already.
    """
    if isinstance(value, (str, PurePath)) and (file := _file(value)) is not None:
        yield file
    elif isinstance(value, _PLAIN):
        if data:
            yield repr(value)
    elif isinstance(value, (tuple, frozenset)):
        members = value if isinstance(value, tuple) else sorted(value, key=repr)
        for member in members:
            yield from _parts(member, seen, data=data)
    elif isinstance(value, partial):
        for part in (value.func, *value.args, *value.keywords.values()):
            yield from _parts(part, seen, data=data)
    elif id(value) not in seen and not callable(getattr(value, "describe", None)):
        seen.add(id(value))
        if isinstance(value, MethodType):
            yield from _method_parts(value, seen)
        elif isinstance(value, FunctionType):
            if _own(value):
                yield from _function_parts(value, seen)
        elif isinstance(value, type):
            for _, member in _members(value):
                yield from _parts(member, seen)
        elif callable(value):
            yield from _object_parts(value, seen)


def _method_parts(method: MethodType, seen: set[int]) -> Iterator[str | Path]:
    owner = method.__self__
    describe = getattr(owner, "describe", None)
    if callable(describe):
        yield str(describe())
    else:
        yield from _parts(method.__func__, seen)
        yield from _parts(owner, seen) if isinstance(owner, type) else _object_parts(owner, seen)


def _object_parts(value: object, seen: set[int]) -> Iterator[str | Path]:
    kind = type(value)
    yield from _parts(kind, seen)
    settings = () if _installed(kind.__module__) else _settings(kind)
    names = [f.name for f in fields(value)] if is_dataclass(value) else sorted(getattr(value, "__dict__", ()))
    for name in names:
        yield from _parts(getattr(value, name), seen, data=name in settings)


def _members(kind: type) -> Iterator[tuple[str, FunctionType]]:
    """Functions of a class, and of those that it is derived from, that are the user's own."""
    for base in kind.__mro__:
        if not _installed(base.__module__):
            for name, member in sorted(vars(base).items()):
                inner = getattr(member, "__func__", getattr(member, "fget", member))
                if isinstance(inner, FunctionType):
                    yield name, inner


def _settings(kind: type) -> frozenset[str]:
    """Names of attributes that keep, as long as an object lives, what its constructor was given."""
    if is_dataclass(kind):
        given = {f.name for f in fields(kind) if f.init and f.repr}
    else:
        code = getattr(getattr(kind, "__init__", None), "__code__", None)
        names = () if code is None else code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        given = {f"{underscore}{name}" for name in names for underscore in ("", "_")}
    return frozenset(given).difference(*(_assigned(f.__code__) for name, f in _members(kind) if name not in _MAKING))


def _function_parts(function: FunctionType, seen: set[int]) -> Iterator[str | Path]:
    code = function.__code__
    yield _code_text(code)
    named, rebound = _names(code)
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    closed = {name: cell.cell_contents for name, cell in cells if _filled(cell)}
    read = {name: function.__globals__[name] for name in sorted(named) if name in function.__globals__}
    given = dict(enumerate(function.__defaults__ or ())) | (function.__kwdefaults__ or {})
    for values in (closed, read, given):
        for name, value in values.items():
            if name not in rebound:
                yield from _parts(value, seen, data=True)


def _own(function: FunctionType) -> bool:
    """Whether a function is the user's own: its module tells, since code that is generated does not."""
    return not _installed(function.__module__, function.__code__.co_filename)


def _installed(module: str | None, file: str = "") -> bool:
    """Whether a module is no code of the user's; its file is asked for where the module has none."""
    result = getattr(sys.modules.get(module or ""), "__file__", None) or file
    return result.startswith((*_INSTALLED, "<frozen")) or module == "builtins"


def _filled(cell: Any) -> bool:  # noqa: ANN401 -- the type of cells has no name
    try:
        cell.cell_contents  # noqa: B018 -- raises where it is empty
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def _code_text(code: CodeType) -> str:
    # Constants where they are used: docstrings are none, and shift the numbers of the others.
    steps = [(i.opcode, _constant(i.argval) if i.opcode in hasconst else i.arg) for i in get_instructions(code)]
    return repr((steps, code.co_names, code.co_freevars))


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return _code_text(value)
    if isinstance(value, frozenset):  # in an order that differs from process to process
        return repr(sorted(map(_constant, value)))
    return repr([_constant(v) for v in value]) if isinstance(value, tuple) else repr(value)


@lru_cache(maxsize=1024)
def _assigned(code: CodeType) -> frozenset[str]:
    """Attributes that code, and the functions in it, assign."""
    inner = [_assigned(c) for c in code.co_consts if isinstance(c, CodeType)]
    return frozenset(str(i.argval) for i in get_instructions(code) if i.opname == "STORE_ATTR").union(*inner)


@lru_cache(maxsize=1024)
def _names(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """Names that code and the functions in it read, and those that they bind anew outside themselves."""
    inner = [_names(c) for c in code.co_consts if isinstance(c, CodeType)]
    bound = {str(i.argval) for i in get_instructions(code) if i.opname in ("STORE_DEREF", "STORE_GLOBAL")}
    return (
        frozenset(code.co_names).union(*(named for named, _ in inner)),
        frozenset(bound).union(*(names for _, names in inner)),
    )


def _file(value: str | PurePath) -> Path | None:
    try:
        path = Path(value).expanduser()
        return path if len(str(value)) < 4096 and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _stamp(path: Path) -> tuple[str, int, int, int]:
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns, status.st_ino


def _content(path: Path) -> str:
    return _content_of(*_stamp(path))


@lru_cache(maxsize=64)
def _content_of(path: str, *stamp: int) -> str:  # noqa: ARG001 -- tells when to read it again
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]
