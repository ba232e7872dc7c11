"""The verbs of the laboratory's desk: recipes out, results in, and what is changed by hand."""

from collections.abc import Callable

import typer

from matseek.desk_verbs.campaigns import at_the_desk, has_constraints, open_campaign_in, require_campaign
from matseek.desk_verbs.changes import amend, correct, skip, withdraw
from matseek.desk_verbs.options import Debug, RunDir, Trust
from matseek.desk_verbs.recipes import ask
from matseek.desk_verbs.showing import show_status
from matseek.desk_verbs.telling import tell
from matseek.helping import Example, WithChoices

_EXAMPLES: dict[Callable[..., None], str] = {
    ask: "matseek ask runs/mine problem=laboratory searcher=bayesian --count 8",
    tell: "matseek tell runs/mine runs/mine/batch-1.xlsx",
    correct: "matseek correct runs/mine 7 --value 0.31 --reason 'wrong cuvette'",
    withdraw: "matseek withdraw runs/mine 7 8 --again --reason 'pump blocked'",
    skip: "matseek skip runs/mine 9 --reason 'out of seeds'",
    amend: "matseek amend runs/mine problem.variables.T.high=120",
}

desk_app = typer.Typer()
for verb, example in _EXAMPLES.items():
    desk_app.command(cls=WithChoices if verb is ask else Example, epilog=example)(verb)

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
