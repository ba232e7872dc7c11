import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from pebble import ProcessExpired

from matseek.processes import scratch_folder, worker_pool


def grandchild(path):
    """Starts a process, notes its number and that of this one, and hangs."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(path).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)


def noted(path):
    for _ in range(600):
        if path.is_file() and len(path.read_text().split()) == 2:
            return [int(n) for n in path.read_text().split()]
        time.sleep(0.05)
    raise AssertionError("the worker never started")


def all_gone(pids, seconds=10):
    def running(pid):
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(running(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_a_time_out_ends_the_whole_process_tree(tmp_path):
    with worker_pool(1) as pool:
        future = pool.schedule(grandchild, args=(tmp_path / "pids",), timeout=1.0)
        with pytest.raises(TimeoutError):
            future.result()
        assert all_gone(noted(tmp_path / "pids"))
        folder = pool.schedule(scratch_folder).result()
        assert Path(folder).is_dir()
    assert not Path(folder).exists()


def test_an_error_in_the_block_ends_the_workers(tmp_path):
    def interrupted():
        with worker_pool(1) as pool:
            pool.schedule(grandchild, args=(tmp_path / "pids",))
            noted(tmp_path / "pids")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert all_gone(noted(tmp_path / "pids"))


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from matseek.processes import worker_pool
        from tests.test_processes import grandchild
        if __name__ == "__main__":
            with worker_pool(1) as pool:
                pool.schedule(grandchild, args=(sys.argv[1],)).result()
    """)
    (tmp_path / "program.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, tmp_path / "program.py", tmp_path / "pids"], env=environment)
    try:
        pids = noted(tmp_path / "pids")
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert all_gone(pids)


@pytest.mark.parametrize("code", [0, 3])
def test_a_task_that_ends_its_process_has_expired(code):
    with worker_pool(1) as pool:
        with pytest.raises(ProcessExpired):
            pool.schedule(os._exit, args=(code,)).result(timeout=60)
        assert pool.schedule(abs, args=(-3,)).result() == 3
