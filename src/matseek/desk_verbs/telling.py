"""``matseek tell``: results in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matseek.desk_verbs.campaigns import at_the_desk, require_table
from matseek.desk_verbs.options import Debug, Resample, RunDir, Sheet, Trust, Yes
from matseek.desk_verbs.showing import confirm, show_status
from matseek.terminal import out, told_plainly


def tell(
    run_dir: RunDir,
    results: Annotated[
        Path,
        typer.Argument(
            help="The asked table with results (CSV, TSV, TXT, XLSX, XLS, ODS, Parquet), spectra, or a folder of them."
        ),
    ],
    resample: Resample = False,
    sheet: Sheet = None,
    add: Annotated[
        bool, typer.Option("--add", help="Results of evaluations that have some are further replicates.")
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Take recipes that were never asked, too: own ideas, earlier data.")
    ] = False,
    columns: Annotated[
        Path | None, typer.Option("--columns", help="YAML with the name of a variable by the heading in the table.")
    ] = None,
    yes: Yes = False,
    trust: Trust = False,
    debug: Debug = False,
) -> None:
    """Take in measured results, and bring the page up to date; what is odd is asked about first."""
    with told_plainly(debug=debug) as telling:
        from matseek.desk import column_map

        require_table(results)
        names = None if columns is None else column_map(columns)
        campaign = at_the_desk(run_dir, [], telling, trust=trust)
        taking = campaign.preview(results, resampling=resample, sheet=sheet, adding=add, new=new, columns=names)
        confirm(taking, yes=yes, always=False)
        campaign.tell(taking)
        page = campaign.write(run_dir)
        show_status(run_dir, campaign.problem.ranked)
        out.print(f"open {page.resolve()}", highlight=False, soft_wrap=True)
