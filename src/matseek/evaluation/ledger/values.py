"""What every database can hold: clean text, strict JSON, and arrays as bytes."""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sqlalchemy import JSON, Dialect, Text
from sqlalchemy.types import TypeDecorator

_PLAIN, _NUMBERS = "plain", "non_finite"
"""Keys of a stored value that holds numbers which JSON has not."""


class Words(TypeDecorator[str]):
    """A column of text; what no database takes is written out, see :func:`clean`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Text that can be stored."""
        return None if value is None else clean(value)


class StrictJson(TypeDecorator[Any]):
    """A column of JSON; see :func:`to_strict`."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002
        """JSON that can be stored."""
        return to_strict(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002
        """What was stored."""
        return from_strict(value)


def clean(text: str) -> str:
    r"""A text without NUL and lone surrogates, which databases refuse: they become ``\x00`` and ``\ud800``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


def to_strict(value: Any) -> Any:  # noqa: ANN401
    """A value as strict JSON: NaN and infinities are null, and said beside it by their JSON pointers (RFC 6901).

    Raises:
        TypeError: If it holds what is no JSON, and no array or number of NumPy.
    """
    odd: dict[str, str] = {}
    plain = _plain(value, "", odd)
    return {_PLAIN: plain, _NUMBERS: odd} if odd or _is_marked(plain) else plain


def from_strict(value: Any) -> Any:  # noqa: ANN401
    """What :func:`to_strict` was given, with lists for tuples and arrays."""
    if not _is_marked(value):
        return value
    root = {"": copy.deepcopy(value[_PLAIN])}
    for pointer, number in value[_NUMBERS].items():
        *parents, last = _steps(pointer)
        place: Any = root
        for step in parents:
            place = place[int(step) if isinstance(place, list) else step]
        place[int(last) if isinstance(place, list) else last] = float(number)
    return root[""]


def _is_marked(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {_PLAIN, _NUMBERS}


def _steps(pointer: str) -> Iterator[str]:
    return (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/"))


def _plain(value: Any, pointer: str, odd: dict[str, str]) -> Any:  # noqa: ANN401
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not math.isfinite(value):
        odd[pointer] = str(value)
        return None
    if isinstance(value, Mapping):
        result = {}
        for key, inner in value.items():
            name = clean(key if isinstance(key, str) else json.dumps(key))
            result[name] = _plain(inner, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", odd)
        return result
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{pointer}/{i}", odd) for i, inner in enumerate(value)]
    return value


def pack(array: npt.NDArray[Any]) -> bytes:
    """An array as bytes, in NumPy's format."""
    buffer = io.BytesIO()
    # Objects could only be written as code that is run when they are read.
    np.save(buffer, array.astype(str) if array.dtype.hasobject else array, allow_pickle=False)
    return buffer.getvalue()


def pack_named(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Arrays by name as bytes: one record in NumPy's format, which :func:`unpack_named` reads."""
    record = np.zeros((), [(clean(name), array.dtype, array.shape) for name, array in arrays.items()])
    for name, array in arrays.items():
        record[clean(name)] = array
    return pack(record)


def unpack_named(packed: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of :func:`pack_named`."""
    record = np.load(io.BytesIO(packed), allow_pickle=False)
    return {name: np.array(record[name]) for name in record.dtype.names}


def unpack(packed: bytes) -> npt.NDArray[np.floating[Any]]:
    """The array of :func:`pack`."""
    return cast("npt.NDArray[np.floating[Any]]", np.load(io.BytesIO(packed), allow_pickle=False))
