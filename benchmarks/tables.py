"""Writes the tables between the markers of README.md from benchmarks/results/*.json.

make benchmark-tables
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.results_io import RESULTS, ROOT

README = ROOT / "README.md"


def markdown(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    names = list(header)
    return "\n".join(["| " + " | ".join(names) + " |", "|" + "---|" * len(names), *lines])


def asking(report: dict[str, Any]) -> str:
    """CPU seconds of a batch."""
    methods = list(report["rows"][0]["median_cpu_seconds"])
    rows = [
        [
            row["n"],
            *(f"{row['median_cpu_seconds'][m]:.2f}" for m in methods),
            f"1/{1 / row['ratio_to_botorch']:.0f}",
            f"1/{1 / row['ratio_to_skopt']:.1f}",
        ]
        for row in report["rows"]
    ]
    return markdown(["evaluations", *(f"{m}, CPU s" for m in methods), "of BoTorch", "of scikit-optimize"], rows)


def finding(report: dict[str, Any]) -> str:
    """Median best losses."""
    rows = []
    for name, result in report["problems"].items():
        for method, curve in result["median_best_loss"].items():
            difference = result.get(f"ours_less_{method}")
            verdict = "" if difference is None else ("yes" if difference["never_worse"] else "no")
            rows.append([f"`{name}`", method, *(f"{v:.3f}" for v in curve), verdict])
    return markdown(["problem", "method", *(f"after {n}" for n in report["counts"]), "ours never worse"], rows)


def laboratory(report: dict[str, Any]) -> str:
    """The laboratory beside the measurements."""
    return markdown(["quantity", "simulator", "measured"], report["table"])


def constraints(report: dict[str, Any]) -> str:
    """Infeasible proposals."""
    return markdown(["asked", "infeasible"], [[report["asked"], report["infeasible"]]])


def killing(report: dict[str, Any]) -> str:
    """What kills cost."""
    keys = ["kills", "evaluations_lost", "evaluations_paid_twice", "total", "total_without_kills"]
    return markdown([k.replace("_", " ") for k in keys], [[report[k] for k in keys]])


def painn_speed(report: dict[str, Any]) -> str:
    """PaiNN beside SchNetPack's."""
    rows = []
    for row in report["rows"]:
        cells = [
            f"{row[c]['milliseconds']:.1f} ({row[c]['peak_megabytes']})" for c in ("template", "full", "schnetpack")
        ]
        faster = [f"{row[f'{ours}_is_faster_by']:.1f}" for ours in ("template", "full")]
        rows.append([row["system"], row["work"], row["allocator"], *cells, *faster])
    columns = [
        "`template`, CPU ms (peak MB of all three)",
        "`full`",
        "SchNetPack",
        "`template` faster by",
        "`full` faster by",
    ]
    return markdown(["system", "one step of", "allocator", *columns], rows)


def painn_fidelity(report: dict[str, Any]) -> str:
    """Template form beside full form."""
    keys = ["score_matching_loss_per_atom", "force_rms_error_eV_per_A", "force_mean_absolute_error_eV_per_A"]
    rows = [[name, *(figures[k] for k in keys)] for name, figures in report["forms"].items()]
    columns = ["score-matching loss per atom", "force RMS error, eV/A", "force mean absolute error, eV/A"]
    return markdown(["form", *columns], rows)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    f.__name__: f for f in (asking, finding, laboratory, constraints, killing, painn_speed, painn_fidelity)
}


def main() -> None:
    """Rewrite README.md."""
    text = README.read_text()
    for name, table in TABLES.items():
        report = json.loads((RESULTS / f"{name}.json").read_text())
        body = f"{table(report)}\n\n`{report['command']}`, goal: {report['goal']}."
        pattern = rf"(<!-- table {name} -->\n).*?(\n<!-- end -->)"
        text, count = re.subn(pattern, lambda m, b=body: m[1] + b + m[2], text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"README.md has {count} places for the table {name!r}; it needs one")
    README.write_text(text)


if __name__ == "__main__":
    main()
