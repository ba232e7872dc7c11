import os
import stat
import subprocess
import sys

import pytest

from matseek.files import replacing, write_bytes, write_text


def test_a_file_is_as_it_was_or_whole(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "grün\r\n")
    assert path.read_bytes() == "grün\r\n".encode()
    with pytest.raises(ZeroDivisionError), replacing(path) as draft:
        draft.write_text(f"half {1 / 0}")
    with pytest.raises(FileNotFoundError), replacing(path) as draft:
        draft.with_name("another").write_text("elsewhere")
    assert path.read_bytes() == "grün\r\n".encode()
    write_bytes(path, b"\0")
    assert path.read_bytes() == b"\0"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_rights_and_links_are_those_of_a_plain_write(tmp_path):
    old = os.umask(0o022)
    try:
        write_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644
    (tmp_path / "link").symlink_to("a.txt")
    write_text(tmp_path / "link", "b")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a.txt").read_text() == "b"


def test_what_a_kill_leaves_behind_is_no_result(tmp_path):
    killed = (
        "import os, signal; from matseek.files import replacing\n"
        f"with replacing({str(tmp_path / 'figure.png')!r}) as draft:\n"
        "    draft.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", killed], timeout=60, check=False).returncode == -9
    assert list(tmp_path.glob("*.png")) == []
    write_text(tmp_path / "figure.png", "whole")
    assert (tmp_path / "figure.png").read_text() == "whole"
