"""Files are written whole: each is there as it was before, or complete, whatever ends the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path to write to; what is written there takes the file's place when the block ends without an error.

    The draft has the file's own name, for writers that go by its suffix, in a hidden folder beside it. A process that
    is killed may leave that folder behind; nothing reads it.

    Args:
        path: The file; folders on the way are made. Of a symbolic link, the file that it points to is replaced.

    Yields:
        Where the content goes, in any number of calls.

    Raises:
        OSError: If the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".draft-", dir=target.parent) as folder:
        draft = Path(folder) / target.name
        yield draft
        _to_disk(draft)
        draft.replace(target)
    if os.name == "posix":
        _to_disk(target.parent)


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8, its line ends as they are, see :func:`replacing`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes, see :func:`replacing`."""
    with replacing(path) as draft:
        draft.write_bytes(content)


def _to_disk(path: Path) -> None:
    """Have a file, or a folder's list of files, outlive the machine's power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
