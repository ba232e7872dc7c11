"""The local server: this machine only, a token in the address, nothing from elsewhere."""

from __future__ import annotations

import secrets
import socket
import warnings
from collections.abc import Callable
from pathlib import Path

from matseek.workbench.folder import CampaignsFolder

_HOST = "127.0.0.1"


def serve(folder: Path, port: int, ready: Callable[[str], None]) -> None:
    """Show the campaigns of a folder until it is interrupted.

    Args:
        folder: The folder that holds, or will hold, campaigns; or a campaign's run folder, whose page then comes first.
        port: Port to listen on; 0 for any that is free.
        ready: Told the page's address, token included, before requests are answered.

    Raises:
        NotADirectoryError: If there is no such folder.
        OSError: If the port is taken.
        ImportError: If NiceGUI is not installed.
    """
    try:
        import uvicorn
        from fastapi import FastAPI
        from nicegui import ui
    except ImportError as error:
        raise ImportError(f"the page needs NiceGUI ({error}); install it: pip install 'matseek[desk]'") from error
    from matseek.run_folder import RunFolder
    from matseek.workbench.gate import TOKEN, Gate
    from matseek.workbench.opened import OpenCampaigns
    from matseek.workbench.pages import add_pages

    begun = RunFolder(folder).config.is_file()
    campaigns = OpenCampaigns(CampaignsFolder(folder.resolve().parent if begun else folder))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError as error:
            raise OSError(f"port={port} cannot be listened on ({error}); name another, or 0 for any") from error
        number, token = listener.getsockname()[1], secrets.token_urlsafe(32)
        application = FastAPI(openapi_url=None)
        application.add_middleware(Gate, token=token, port=number)
        add_pages(campaigns)
        ui.run_with(
            application, title="matseek", dark=None, language="en-GB", tailwind=False, show_welcome_message=False
        )
        # NiceGUI looks at every object in memory for the server, deprecated ones of torch among them.
        warnings.filterwarnings("ignore", category=FutureWarning, module="nicegui")
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="on"))
        where = f"/campaign/{folder.resolve().name}" if begun else "/"
        ready(f"http://{_HOST}:{number}{where}?{TOKEN}={token}")
        server.run(sockets=[listener])
