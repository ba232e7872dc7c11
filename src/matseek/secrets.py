"""Keys and passwords do not belong into records and messages: a text without them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"

_LEAST = 6
"""Characters of a secret; shorter values, such as ``cpu``, would be masked wherever they stand."""

_LEAST_DIGITS = 8
"""Characters of a secret that is a number."""

_IN_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]{0,40}://[^\s:/'\"]{0,200}):\S{0,500}@")
_ALONE_IN_URL = re.compile(r"(https?://)[^\s:/@'\"]{1,500}@")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[a-z0-9+/._~\-]{6,}=*")
_LAST_WORD = (
    r"(?:passw(?:or)?d|passphrase"
    r"|(?<![a-z0-9])(?:pwd|secrets?|token|(?:api|access|secret|private)[_\-]?keys?|credentials?)"
    r"|(?-i:(?<=[a-z])(?:Secret|Token|(?:Api|Access|Secret|Private)Key)))"
)
"""What the name of a secret ends with."""
_NAME = re.compile(rf"(?i){_LAST_WORD}\Z")
_NAMED = re.compile(  # name=value, name: value, "name": "value"
    rf"(?i)({_LAST_WORD}(?:\s*=\s*|:\s+|(['\"])\s*[:=]\s*))(\"[^\"]+\"|'[^']+'|[^\s&;,'\"()\[\]{{}}]+)"
)

_known: set[str] = set()


def keep_secret(value: str) -> None:
    """Have a value masked from now on wherever this process writes or tells it.

    Values that are short, small numbers or paths of existing files are no secrets: they would be masked in too many
    places.
    """
    value = value.strip()
    least = _LEAST_DIGITS if re.fullmatch(r"[\d.eE+\-]+", value) else _LEAST
    if len(value) >= least and not _exists(value):
        _known.add(value)


def masked(text: str) -> str:
    """A text without the passwords of its URLs, values named password, token or key, and known secrets."""
    for secret in sorted(_known, key=len, reverse=True):
        for spelling in _spellings(secret):
            text = text.replace(spelling, MASK)
    if "://" in text:
        text = _ALONE_IN_URL.sub(rf"\1{MASK}@", _IN_URL.sub(rf"\1:{MASK}@", text))
    return _NAMED.sub(_without_value, _BEARER.sub(rf"\1{MASK}", text))


def _without_value(result: re.Match[str]) -> str:
    """A named value masked; where the name has quotes, as in JSON, the value keeps some."""
    return f"{result[1]}{result[2] or ''}{MASK}{result[2] or ''}"


def masked_data(data: Any) -> Any:  # noqa: ANN401 -- plain data of any kind
    """Plain data (mappings, lists, scalars) without secrets, in its texts and under names such as ``password``."""
    if isinstance(data, Mapping):
        return {
            masked(k) if isinstance(k, str) else k: MASK if _is_secret(k, v) else masked_data(v)
            for k, v in data.items()
        }
    if isinstance(data, (list, tuple)):
        return [masked_data(entry) for entry in data]
    return masked(data) if isinstance(data, str) else data


def _is_secret(name: object, value: object) -> bool:
    """Whether a value, of whatever type, stands under a name such as ``password``; an empty one is none."""
    given = value not in (None, "", False, True)
    return given and isinstance(name, str) and _NAME.search(name) is not None


def _spellings(secret: str) -> set[str]:
    """A secret as it is, and as JSON, HTML, CSV, URLs and Python write it."""
    return {
        secret,
        secret.replace('"', '""'),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
    }


def _exists(value: str) -> bool:
    try:
        return Path(value).exists()
    except (OSError, ValueError):
        return False
