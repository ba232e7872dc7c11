"""The verbs of the laboratory's desk: recipes out, results in, and what is changed by hand."""

import typer

from matseek.desk_verbs.campaigns import at_the_desk, has_constraints, open_campaign_in, require_campaign
from matseek.desk_verbs.changes import amend, correct, skip, withdraw
from matseek.desk_verbs.options import Debug, RunDir, Trust
from matseek.desk_verbs.recipes import ask
from matseek.desk_verbs.showing import show_status
from matseek.desk_verbs.telling import tell

desk_app = typer.Typer()
for verb in (ask, tell, correct, withdraw, skip, amend):
    desk_app.command()(verb)

__all__ = [
    "Debug",
    "RunDir",
    "Trust",
    "at_the_desk",
    "desk_app",
    "has_constraints",
    "open_campaign_in",
    "require_campaign",
    "show_status",
]
