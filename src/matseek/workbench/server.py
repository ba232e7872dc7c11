"""The local server: this machine only, a token in the address, nothing from elsewhere."""

from __future__ import annotations

import secrets
import socket
import warnings
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from matseek.run_folder import RunFolder
from matseek.workbench.folder import CampaignsFolder
from matseek.workbench.gate import TOKEN, Gate
from matseek.workbench.opened import OpenCampaigns
from matseek.workbench.pages import add_pages

_HOST = "127.0.0.1"


@dataclass(frozen=True, eq=False)
class PageServer:
    """Shows the campaigns of a folder. There is one in a process.

    Args:
        address: The page's address, token included.
        server: What answers.
        listener: Where it listens.
    """

    address: str
    server: uvicorn.Server
    listener: socket.socket

    @classmethod
    def of(cls, folder: Path, port: int = 0) -> PageServer:
        """The server of a folder's campaigns; it answers when it is run.

        Args:
            folder: The folder that holds, or will hold, campaigns; or a campaign's run folder, whose page comes first.
            port: Port to listen on; 0 for any that is free.

        Raises:
            NotADirectoryError: If there is no such folder.
            OSError: If the port is taken.
        """
        begun = RunFolder(folder).config.is_file()
        campaigns = OpenCampaigns(CampaignsFolder(folder.resolve().parent if begun else folder))
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError as error:
            listener.close()
            raise OSError(f"port={port} cannot be listened on ({error}); name another, or 0 for any") from error
        number, token = listener.getsockname()[1], secrets.token_urlsafe(32)
        application = FastAPI(openapi_url=None)
        application.add_middleware(Gate, token=token, port=number)
        add_pages(campaigns)
        ui.run_with(
            application,
            title="matseek",
            dark=None,
            language="en-GB",
            tailwind=False,
            show_welcome_message=False,
        )
        where = f"/campaign/{folder.resolve().name}" if begun else "/"
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="on"))
        return cls(f"http://{_HOST}:{number}{where}?{TOKEN}={token}", server, listener)

    def run(self) -> None:
        """Answer until the process is interrupted, or :meth:`stop` is called."""
        # NiceGUI looks at every object in memory for the server, deprecated ones of torch among them.
        warnings.filterwarnings("ignore", category=FutureWarning, module="nicegui")
        try:
            self.server.run(sockets=[self.listener])
        finally:
            self.listener.close()

    def stop(self) -> None:
        """Answer no more, from another thread."""
        self.server.should_exit = True
