"""Options and arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Take it without asking.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the ledger.")]

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of what goes wrong.")]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Run whatever the folder's config.yaml names, and let it read the environment; you know its author.",
    ),
]
RunDir = Annotated[Path, typer.Argument(help="Folder of the campaign.")]
Resample = Annotated[
    bool, typer.Option("--resample", help="Interpolate spectra on other wavelengths than the target's.")
]
Sheet = Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook, where several hold results.")]
