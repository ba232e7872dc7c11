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

_IN_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://[^\s:/@'\"]*):[^\s'\"]*@")
_NAMED = re.compile(
    r"(?i)\b((?:[a-z0-9]+[_-])*(?:password|passwd|pwd|secret|token|api_?key|access_?key)\s*=\s*)(\"[^\"]+\"|'[^']+'|[^\s&;,'\"]+)"
)
_NAME = re.compile(r"(?i)(?:.*[_\-.])?(?:password|passwd|pwd|secret|token|api_?key|access_?key)")

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
    text = _IN_URL.sub(rf"\1:{MASK}@", text) if "://" in text else text
    return _NAMED.sub(rf"\1{MASK}", text) if "=" in text else text


def masked_data(data: Any) -> Any:  # noqa: ANN401 -- plain data of any kind
    """Plain data (mappings, lists, scalars) without secrets, in its texts and under names such as ``password``."""
    if isinstance(data, Mapping):
        return {
            masked(k) if isinstance(k, str) else k: (
                MASK if isinstance(k, str) and isinstance(v, str) and v and _NAME.fullmatch(k) else masked_data(v)
            )
            for k, v in data.items()
        }
    if isinstance(data, (list, tuple)):
        return [masked_data(entry) for entry in data]
    return masked(data) if isinstance(data, str) else data


def _spellings(secret: str) -> set[str]:
    """A secret as it is, and as JSON, HTML, URLs and Python write it."""
    return {
        secret,
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
