"""Dask clusters of real processes."""

import json
import os
import subprocess
import sys
import time


class Cluster:
    """A scheduler and workers, each a process."""

    def __init__(self, folder):
        self._folder, self.workers = folder, []
        file = folder / "scheduler.json"
        place = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self._begin("dask_scheduler", *place)
        for _ in range(2):
            self.add_worker()
        for _ in range(600):
            if file.exists() and file.read_text().endswith("}"):
                break
            time.sleep(0.05)
        self.address = json.loads(file.read_text())["address"]

    def add_worker(self):
        one = ["--scheduler-file", str(self._folder / "scheduler.json"), "--no-dashboard", "--nthreads", "1"]
        place = ["--no-nanny", "--local-directory", str(self._folder)]
        self.workers.append(self._begin("dask_worker", *one, *place))

    @staticmethod
    def _begin(module, *arguments):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.{module}", *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
