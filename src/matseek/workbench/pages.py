"""The addresses of the page."""

from __future__ import annotations

from fastapi import HTTPException
from fastapi.responses import Response
from nicegui import app, ui

from matseek.workbench import acts
from matseek.workbench.opened import OpenCampaigns
from matseek.workbench.screens.campaign import CampaignScreen
from matseek.workbench.screens.home import HomeScreen
from matseek.workbench.screens.new import NewScreen
from matseek.workbench.screens.shell import TOLD, frame, note

_KINDS = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".csv": "text/csv; charset=utf-8",
}


_PATIENCE = 60.0
"""Seconds that a screen may take: the first look at a campaign imports what its problem is made of."""


def add_pages(campaigns: OpenCampaigns) -> None:
    """Let NiceGUI's application show the campaigns of a folder."""

    @ui.page("/", response_timeout=_PATIENCE)
    async def home() -> None:
        await HomeScreen(campaigns.folder).build()

    @ui.page("/new", response_timeout=_PATIENCE)
    async def new() -> None:
        await NewScreen(campaigns.folder).build()

    @ui.page("/campaign/{name}", response_timeout=_PATIENCE)
    async def campaign(name: str) -> None:
        try:
            found = campaigns.campaign(name)
        except FileNotFoundError as error:
            with frame(name):
                note([str(error)], "bad")
            return
        await CampaignScreen(found).build()

    @app.get("/campaign/{name}/waiting{suffix}")
    def waiting(name: str, suffix: str) -> Response:
        if suffix not in acts.TABLES:
            raise HTTPException(404)
        try:
            content = acts.waiting_table(campaigns.campaign(name).snapshot(), suffix)
        except TOLD as error:
            raise HTTPException(404, str(error)) from error
        return Response(content, media_type=_KINDS[suffix], headers={"cache-control": "no-store"})
