"""Writes the tables between the markers of pages of docs from benchmarks/results/*.json.

make benchmark-tables
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from statistics import mean, median
from typing import Any

import numpy as np

from benchmarks.results_io import RESULTS, ROOT
from matseek.insight.paired import median_interval

PAGES = [
    ROOT / "docs" / f"{name}.md" for name in ("benchmarks", "reliability", "structures", "experiments", "potentials")
]


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
    """What kills cost, by what was killed."""
    keys = ["kills", "evaluations", "repeated_in_flight", "lost", "changed", "paid_twice", "not_as_uninterrupted"]
    names = ["kind", "kills", "evaluations", "calls in flight repeated", "lost", "changed", "paid twice"]
    names += ["not as uninterrupted", "hung or failed"]
    keys += ["hung_or_failed"]
    restarts = any(row["server_restarts"] for row in report["rows"])
    if restarts:
        names, keys = [*names, "server restarts"], [*keys, "server_restarts"]
    return markdown(names, [[f"`{row['kind']}`", *(row[key] for key in keys)] for row in report["rows"]])


def killing_server(report: dict[str, Any]) -> str:
    """The same on a server."""
    return killing(report)


def killing_desk(report: dict[str, Any]) -> str:
    """The same for the desk's verbs."""
    keys = ["kills", "half_done", "refused_again", "not_as_uninterrupted"]
    names = ["verb", "kills", "half done", "refused when given again", "not as uninterrupted"]
    return markdown(names, [[f"`{row['kind']}`", *(row[key] for key in keys)] for row in report["rows"]])


def kernels(report: dict[str, Any]) -> str:
    """The test suite under the kernels of several processors."""
    rows = [[f"`{r['kernel']}`", r.get("passed", 0), r.get("failed", 0), r.get("skipped", 0)] for r in report["rows"]]
    return markdown(["OPENBLAS_CORETYPE", "passed", "failed", "skipped"], rows)


def mutants(report: dict[str, Any]) -> str:
    """Wrong lines, by room, and how many of them the tests notice."""
    rooms: dict[str, list[dict[str, Any]]] = {}
    for row in report["rows"]:
        rooms.setdefault(row["file"].split("/")[0], []).append(row)
    rows = []
    for room, inside in sorted(rooms.items()):
        survived = [row["mutant"] for row in inside if row["outcome"] != "killed"]
        rows.append([f"`{room}`", len(inside), len(inside) - len(survived), ", ".join(survived) or "none"])
    rows.append(["all", report["mutants"], report["killed"], len(report["survived"]) or "none"])
    return markdown(["room", "mutants", "killed", "survived"], rows)


def resume(report: dict[str, Any]) -> str:
    """Runs of GO-Diff that were killed and resumed."""
    rows = [[f"`{n}`", r["kills"], "yes" if all(r["same"].values()) else "no"] for n, r in report["searchers"].items()]
    return markdown(["searcher", "kills", "points, values, weights and optimiser equal to the last bit"], rows)


def fuzz(report: dict[str, Any]) -> str:
    """What hostile settings come to."""
    rows = []
    for kind in ("constructors", "configurations"):
        found = report[kind]
        refused = sum(count for name, count in found["outcomes"].items() if name.startswith("refused"))
        run = found["outcomes"].get("accepted and run", 0)
        rows.append([kind, found["tries"], refused, run, len(found["defects"])])
    return markdown(["tries of", "tries", "refused", "accepted and run", "raw errors, hangs or paid for nothing"], rows)


def ledger_speed(report: dict[str, Any]) -> str:
    """CPU seconds of random search, one evaluation a batch."""
    rows = [[n, f"{r['cpu_s']:.1f}", f"{r['wall_s']:.0f}"] for n, r in report["budgets"].items()]
    return markdown(["evaluations", "CPU s", "wall s"], rows)


def attack_executors(report: dict[str, Any]) -> str:
    """Attacks on executors."""
    return markdown(["attack", "rounds", "passed"], [[n, r["rounds"], r["ok"]] for n, r in report["attacks"].items()])


def gp_scaling(report: dict[str, Any]) -> str:
    """CPU seconds of a batch with many observations."""
    rows = [[row["observations"], f"{row['cpu_seconds']:.1f}"] for row in report["rows"]]
    return markdown(["observations", "one 15-point batch, CPU s"], rows)


def two_step(report: dict[str, Any]) -> str:
    """Overtaking, final losses, and accuracy batch by batch."""
    final = report["median_final_best"]
    verdict = markdown(
        ["seeds", "network ahead by batch 8", "batch of overtaking", "final best, two-step", "final best, BO alone"],
        [
            [
                report["seeds"],
                report["overtaken_by_run_8"],
                ", ".join("never" if k is None else str(k) for k in report["overtaking_run"]),
                f"{final['two_step']:.4f}",
                f"{final['bayesian_alone']:.4f}",
            ]
        ],
    )
    rows = [
        [r["run"], f"{r['median_cosine']:.4f}", f"{r['least_cosine']:.4f}", f"{r['median_mse']:.5f}"]
        for r in report["accuracy"]
    ]
    names = ["batch, never trained on", "spectral cosine, median", "worst condition", "squared error, median"]
    return f"{verdict}\n\n{markdown(names, rows)}"


def grid(report: dict[str, Any]) -> str:
    """The grid, its loops and the gradient."""
    searches = report["gradient_searches"]
    wall = report["wall_on_two_cores"]
    rows = [
        ["3.2 million spectra and losses, two cores, wall", f"{wall['seconds']:.1f}", f"{wall['peak_megabytes']} MB"],
        ["the same, one core, CPU", f"{report['seconds']:.1f}", f"{report['peak_megabytes']} MB"],
        *(
            [
                f"loop, {name} (from 1,000 points)",
                f"{loop['extrapolated_seconds']:,}",
                f"{loop['grid_is_faster_by']:,}x",
            ]
            for name, loop in report["loops_extrapolated_from_1000_points"].items()
        ),
        [
            f"gradient search, predicted loss {max(s['predicted_loss'] for s in searches):.4f} "
            f"(grid {report['best_predicted_loss_of_the_feasible_grid']:.4f})",
            f"{max(s['seconds'] for s in searches):.2f}",
            f"{report['gradient_time_of_grid']:.3f} of the feasible grid's time",
        ],
    ]
    return markdown(["search", "seconds", "memory, or ratio"], rows)


def attribution(report: dict[str, Any]) -> str:
    """Captum beside brute force."""
    row = [
        f"{report['dominant']} of {report['seeds']}",
        f"{report['same_ranking']} of {report['seeds']}",
        f"{report['largest_difference']:.1e}",
    ]
    return markdown(["AgNO3 and seeds dominate", "same ranking as brute force", "largest difference"], [row])


def painn_speed(report: dict[str, Any]) -> str:
    """PaiNN beside SchNetPack's."""
    rows = []
    for row in report["rows"]:
        cells = [
            f"{row[c]['milliseconds']:.1f} ({row[c]['peak_megabytes_of_all_works']})"
            for c in ("template", "full", "schnetpack")
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


_OF_ISLANDS = ("searcher", "budget", "succeed (95 %)", "mean evaluations", "after relaxation", "mean evaluations")


def _of_islands(row: dict[str, Any]) -> list[str]:
    """Successes of a searcher, as evaluated and after relaxation."""
    return [
        f"`{row['searcher']}`",
        f"{row['budget']:,}",
        f"**{row['successes']} of {row['seeds']}** ({row['success_low']:.0%} to {row['success_high']:.0%})",
        f"**{_count(row['mean_evaluations_to_success'])}**",
        f"{row['relaxed_successes']} of {row['seeds']}",
        _count(row["mean_evaluations_to_relaxed_success"]),
    ]


def heptamer(report: dict[str, Any]) -> str:
    """Successes on the heptamer, beside the paper's."""
    rows = [
        [
            *_of_islands(row),
            f"{row['published_successes']} of {row['published_runs']}",
            _count(row["published_mean_evaluations_to_success"]),
            _count(row["median_cpu_seconds"]),
        ]
        for row in report["rows"]
    ]
    return markdown([*_OF_ISLANDS, "paper (MACE)", "mean evaluations", "median CPU s"], rows)


def islands(report: dict[str, Any]) -> str:
    """The generality suite."""
    rows = [
        [
            f"`{row['problem']}`",
            *_of_islands(row),
            f"{row['median_best_value']:.3f}",
            _count(row["median_cpu_seconds"]),
        ]
        for row in report["rows"]
    ]
    return markdown(["problem", *_OF_ISLANDS, "median best, eV", "median CPU s"], rows)


def structures(report: dict[str, Any]) -> str:
    """Who wins where on structures."""

    def mean(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f}"

    rows = [
        [
            f"`{row['problem']}`",
            row["method"],
            f"{row['successes']} of {row['seeds']} ({row['success_low']:.0%} to {row['success_high']:.0%})",
            mean(row["mean_evaluations"])
            + ("" if row["standard_error"] is None else f" ± {row['standard_error']:.1f}"),
            mean(row["mean_rounds"]),
            f"{mean(row['mean_evaluations_to_minimum'])} ({row['reach_minimum']} of {row['seeds']})",
            f"{row['mean_cpu_seconds']:.1f}",
            f"{row['mean_wall_seconds']:.0f}",
        ]
        for row in report["rows"]
    ]
    names = ["problem", "method", "succeed (95 %)", "mean evaluations ± standard error", "mean rounds"]
    return markdown([*names, "within 0.1 eV of the minimum, mean evaluations", "CPU s", "wall s"], rows)


def structure_scaling(report: dict[str, Any]) -> str:
    """One choice on structures."""
    rows = [
        [f"`{r['free']}`", f"{r['evaluations']:,}", r["seconds_fitting"], r["seconds_searching"], r["seconds"]]
        for r in report["rows"]
    ]
    return markdown(["free atoms", "evaluations known", "fitting, CPU s", "searching, CPU s", "together"], rows)


def clusters(report: dict[str, Any]) -> str:
    """Clusters in the gas phase."""
    rows = [
        [
            f"`{row['problem']}`",
            row["searcher"],
            f"{row['budget']:,}",
            f"{row['successes']} of {row['seeds']} ({row['success_low']:.0%} to {row['success_high']:.0%})",
            row["mean_evaluations_to_success"] or "-",
            row["most_evaluations_to_success"] or "-",
            row["lowest"],
            row["median_cpu_seconds"],
        ]
        for row in report["rows"]
    ]
    head = ["problem", "method", "budget", "succeed (95 %)", "mean evaluations", "most", "lowest, eV", "median CPU s"]
    return markdown(head, rows)


def relaxed_layers(report: dict[str, Any]) -> str:
    """Layers of the template that move: what they gain, and what finding the lowest island takes."""
    rest, moving = report["at_rest"], report["moving"]
    energies = [
        ["with Pt4, lowest known", rest["lowest"], moving["lowest"], f"{report['gain']:.3f}"],
        ["bare slab", rest["bare"], moving["bare"], f"{report['gain_of_the_bare_slab']:.3f}"],
    ]
    rows = [
        [
            row["searcher"],
            row["test"],
            f"{row['budget']:,}",
            f"{row['successes']} of {row['seeds']} ({row['success_low']:.0%} to {row['success_high']:.0%})",
            row["mean_evaluations_to_success"] or "-",
            row["most_evaluations_to_success"] or "-",
            row["mean_as_evaluated"] or "-",
            f"{row['relaxed_within']} of {row['successes']}",
            row["least_gain"] or "-",
            row["median_cpu_seconds"],
        ]
        for row in report["rows"]
    ]
    head = ["method", "test", "budget", "succeed (95 %)", "mean evaluations", "most", "mean as evaluated, eV"]
    head += ["lowest known once relaxed", "least gain once relaxed, eV", "median CPU s"]
    gains = markdown(["", "layers at rest, eV", "two layers move, eV", "gain, eV"], energies)
    return f"{gains}\n\n{markdown(head, rows)}"


def large_island(report: dict[str, Any]) -> str:
    """Thirty atoms."""
    by_method: dict[str, list[dict[str, Any]]] = {}
    for key, cell in report["cells"].items():
        by_method.setdefault(key.rsplit("/", 1)[0], []).append(cell)
    counts = sorted({int(n) for cell in report["cells"].values() for n in cell["lowest"]})

    def lowest(cells: list[dict[str, Any]], count: int) -> str:
        found = [cell["lowest"][str(count)] for cell in cells if str(count) in cell["lowest"]]
        if len(found) < 2:
            return f"{found[0]:.2f}" if found else "-"
        return f"{np.mean(found):.2f} ± {np.std(found, ddof=1) / np.sqrt(len(found)):.2f}"

    rows = [
        [
            method,
            len(cells),
            *(lowest(cells, n) for n in counts),
            f"{np.mean([cell['cpu_seconds'] for cell in cells]):.0f}",
        ]
        for method, cells in by_method.items()
    ]
    return markdown(["method", "seeds", *(f"lowest of {n:,}, eV" for n in counts), "CPU s"], rows)


def comparison(report: dict[str, Any]) -> str:
    """BO, the network and GO-Diff on the same work."""
    rows = [
        [
            f"`{row['problem']}`",
            f"`{row['searcher']}`",
            row["budget"],
            f"{row['successes']} of {row['seeds']} ({row['success_low']:.0%} to {row['success_high']:.0%})",
            _count(row["median_evaluations_to_success"]),
            f"{row['median_best_value']:.4f} ({row['median_best_low']:.4f} to {row['median_best_high']:.4f})",
            f"{row['median_area']:.3f}",
            f"{row['seconds_thinking_per_evaluation']:.3f}",
            _count(row["median_cpu_seconds"]),
        ]
        for row in report["rows"]
    ]
    names = ["problem", "searcher", "budget", "succeed (95 %)", "median evaluations to success"]
    return markdown(
        [*names, "median best (95 %)", "area under the best", "optimizer overhead, s per evaluation", "CPU s per run"],
        rows,
    )


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def minima(report: dict[str, Any]) -> str:
    """Putative minima of the islands."""
    rows = [
        [
            f"`{row['problem']}`",
            f"{row['putative_minimum_eV']:.4f}",
            row["bonds"],
            f"{row['runs_that_found_it']} of {row['runs']}",
            ", ".join(f"{e:.3f}" for e in row["next_minima_eV"][:3]),
            f"{row['force_calls']:,}",
        ]
        for row in report["rows"]
    ]
    names = ["problem", "putative minimum, eV", "bonds", "independent runs that found it", "next minima, eV"]
    return markdown([*names, "force calls"], rows)


def mace_batch(report: dict[str, Any]) -> str:
    """MACE, many at once."""
    rows = [
        [row["way"], row["allocator"], f"{row['seconds']:.3f}", f"{row['faster_than_one_by_one']:.2f}"]
        for row in report["rows"]
    ]
    return markdown(["way", "allocator", "seconds per structure", "faster by"], rows)


def scaling(report: dict[str, Any]) -> str:
    """The network's cost by template and free atoms."""
    rows = [
        [
            f"`{row['form']}`",
            row["template_atoms"],
            row["free_atoms"],
            f"{row['seconds_per_training_step']:.3f}",
            f"{row['seconds_per_sample']:.2f}",
        ]
        for row in report["rows"]
    ]
    names = ["form", "template atoms", "free atoms", "CPU s per training step", "CPU s per sample"]
    return markdown(names, rows)


def sensitivity(report: dict[str, Any]) -> str:
    """Success under other settings."""
    rows = [
        [
            f"`{row['problem']}`",
            row["setting"] if row["setting"] != "none" else "as configured",
            "" if row["setting"] == "none" else f"x {row['factor']:g}",
            f"{row['successes']} of {row['seeds']}",
            "-" if row["mean_evaluations_to_success"] is None else f"{row['mean_evaluations_to_success']:.0f}",
        ]
        for row in report["rows"]
    ]
    return markdown(["problem", "setting", "changed", "succeed", "mean evaluations to success"], rows)


def emt_speed(report: dict[str, Any]) -> str:
    """The compiled EMT beside ASE's."""
    rows = [
        [r["atoms"], *(f"{r[k]:.3f}" for k in ("ase", "batched_emt", "compute_many")), r["faster_by"]]
        for r in report["rows"]
    ]
    largest = report["largest_differences"]
    speed = markdown(["atoms", "ASE's `EMT`, CPU ms", "`BatchedEMT`", "its `compute_many`", "faster by"], rows)
    names = ["random structures", "elements", "largest difference of energies, eV", "of forces, eV/A"]
    cells = [
        largest["structures"],
        largest["elements"],
        *(f"{largest[k]:.0e}" for k in ("energy_eV", "force_eV_per_A")),
    ]
    return f"{speed}\n\n{markdown(names, [cells])}"


def adatom(report: dict[str, Any]) -> str:
    """GO-Diff and random search on the adatom."""
    rows = [
        [
            row["method"],
            f"{row['best_relaxes_to_minimum']} of {report['seeds']}",
            f"{row['median_evaluations_to_first']:g}",
            f"{row['median_best_sample']:.3f}",
            f"{row['median_of_last_32']:.2f}",
            f"{100 * row['late_share_in_minimum']:.0f} %",
            f"{row['median_cpu_seconds']:.0f}",
        ]
        for row in report["rows"]
    ]
    names = ["method", "best relaxes to 5.506 eV", "evaluations to the first that does", "best sample, eV"]
    more = ["median of the last 32, eV", "of the last 96 in that basin", "CPU s"]
    return markdown([*names, *more], rows)


def _totals(report: dict[str, Any]) -> str:
    """Training and k searches, in evaluations and in CPU seconds."""
    related = [key for key in report["totals"][0] if key.startswith("k=")]
    header = ["method", "searches", "unit", "training", "a search", *related, "pays from k, against"]
    rows = []
    for row in report["totals"]:
        digits = 0 if row["mean"] >= 100 or row["training"] else 1
        pays = "; ".join(f"{name}: {'never' if k is None else f'{k:,}'}" for name, k in row["pays from"].items())
        rows.append(
            [
                row["method"],
                row["searches"],
                row["unit"].replace("cpu_seconds", "CPU s"),
                f"{row['training']:,.0f}",
                f"{row['mean']:,.1f} ± {row['error']:.1f}",
                *(f"{row[key]:,.{digits}f} ± {row[f'error {key}']:,.{digits}f}" for key in related),
                pays or "-",
            ]
        )
    return markdown(header, rows)


def _searched(report: dict[str, Any]) -> str:
    """Searches of each island."""
    rows = [
        [
            f"`{row['problem']}`",
            row["method"],
            f"{row['successes']} of {row['seeds']}",
            f"{row['mean_evaluations']:.1f} ± {row['error_evaluations']:.1f}",
            row["most_evaluations"],
            f"{row['mean_rounds']:.1f}",
            f"{row['mean_cpu_seconds']:.1f}",
        ]
        for row in report["rows"]
    ]
    return markdown(["island", "method", "succeed", "evaluations", "most", "rounds", "CPU s"], rows)


def _sampled(report: dict[str, Any]) -> str:
    """What samples are, by island."""
    rows = []
    for name, row in report["samples"].items():
        problem, how = name.split("/")
        n = row["samples"]
        rows.append(
            [
                f"`{problem}`",
                how,
                f"{row['as_drawn'] / n:.0%}",
                f"{row['relaxed'] / n:.0%}",
                f"{row['median_relaxed']:.2f}",
                f"{row['mean_relaxation_calls']:.0f}",
            ]
        )
    return markdown(
        ["island", "samples", "the minimum's bonds as drawn", "relaxed", "median relaxed, eV", "force calls"], rows
    )


def amortisation(report: dict[str, Any]) -> str:
    """Totals of k searches, the searches, and what samples are."""
    return "\n\n".join(part(report) for part in (_totals, _searched, _sampled))


def best_possible(report: dict[str, Any]) -> str:
    """The laboratories by brute force."""
    rows = []
    for name, found in report["problems"].items():
        points, quiet, noisy = found["feasible_points"], found["noise_free"], found["median"]
        rows.append(
            [
                f"`{name}`",
                f"{noisy['loss']:.4f}",
                f"{quiet['loss']:.4f}",
                ", ".join(noisy["active"]) or "none",
                f"{found['spread_of_droplets']:.3f}",
                f"{found['saturated']:.0%}, {found['dilute']:.0%}",
                f"{points:,}",
                *found["points_within"].values(),
                f"{found['best_of_the_sequence']:.3f}",
            ]
        )
    header = [
        "problem",
        "best median over droplets",
        "without noise",
        "bounds that hold the best",
        "droplets' spread there",
    ]
    within = [f"points within {w}" for w in next(iter(report["problems"].values()))["points_within"]]
    return markdown([*header, "saturated, dilute", "quasi-random points", *within, "best point"], rows)


def harder(report: dict[str, Any]) -> str:
    """Searchers in the gold laboratory."""
    rows = [
        [
            f"`{row['searcher']}`",
            row["seeds"],
            *(
                f"{m:.3f} ({a:.3f} to {b:.3f})"
                for m, a, b in zip(row["median"], row["lowest"], row["highest"], strict=True)
            ),
            f"{row['cpu_seconds']:.0f}",
        ]
        for row in report["rows"]
    ]
    counts = [f"after {n}, median (range)" for n in report["counts"]]
    return markdown(["searcher", "seeds", *counts, "CPU s per run"], rows)


def pools(report: dict[str, Any]) -> str:
    """Mean share of the best 5 % of a list that is found, with its standard error."""
    rows = []
    for name, methods in report["found"].items():
        for method, shares in methods.items():
            columns = list(zip(*shares, strict=True))
            means = [sum(column) / len(column) for column in columns]
            errors = [
                (sum((x - mean) ** 2 for x in column) / (len(column) - 1) / len(column)) ** 0.5
                for column, mean in zip(columns, means, strict=True)
            ]
            cells = [f"{mean:.2f} ± {error:.2f}" for mean, error in zip(means, errors, strict=True)]
            seconds = report["cpu_seconds_per_batch"][name][method]
            rows.append([name.replace("_", " "), f"`{method}`", *cells, f"{seconds:.2f}"])
    heads = [f"after {count}" for count in report["at"]]
    return markdown(["list", "method", *heads, "CPU s a batch"], rows)


def spectra(report: dict[str, Any]) -> str:
    """Median best loss and the worst seed's, by what is modelled."""
    rows = []
    for name, methods in report["cells"].items():
        for method, cells in methods.items():
            best = {n: [cell["best"][n] for cell in cells.values()] for n in ("30", "60", "90")}
            shown = [f"{median(values):.4f} ({max(values):.4f})" for values in best.values()]
            seconds = median(cell["cpu_seconds_of_the_last_batch"] for cell in cells.values())
            rows.append([f"`{name}`", SPECTRA[method], str(len(cells)), *shown, f"{seconds:.1f}"])
    heads = [f"median (worst) after {n}" for n in (30, 60, 90)]
    return markdown(["problem", "modelled", "seeds", *heads, "CPU s for 15 at 90"], rows)


SPECTRA = {"spectra": "whole spectra", "loss": "log loss", "plain": "loss", "qlogei": "loss, qLogEI"}


def coverage(report: dict[str, Any]) -> str:
    """Share of the next batch inside central intervals of the model of spectra, by batch."""
    rows = []
    for name, methods in report["cells"].items():
        covered = [cell["coverage"] for cell in methods["spectra"].values()]
        for batch in covered[0]:
            shares = [
                " / ".join(f"{100 * mean(c[batch][kind][level] for c in covered):.0f}" for level in range(3))
                for kind in ("loss", "spectra")
            ]
            rows.append([f"`{name}`", batch, *shares])
    return markdown(["problem", "batch", "loss inside 50 / 80 / 95 %", "absorbances inside 50 / 80 / 95 %"], rows)


def functions(report: dict[str, Any]) -> str:
    """Median regret with its interval, and the worst seed's, by function and method."""
    rows = []
    for name, methods in report["cells"].items():
        for method, cells in methods.items():
            shown = []
            for curve in zip(*(cell["regret"].items() for cell in cells.values()), strict=True):
                values = np.array([regret for _, regret in curve])
                low, high = median_interval(values)
                interval = f"[{low:.2g}, {high:.2g}], {values.max():.2g}" if len(values) > 1 else "(one run)"
                shown.append(f"{curve[0][0]}: {np.median(values):.2g} {interval}")
            seconds = median(cell["cpu_seconds_per_batch"] for cell in cells.values())
            rows.append([name.replace("_", " "), f"`{method}`", str(len(cells)), *shown, f"{seconds:.2f}"])
    heads = [f"evaluations: median regret [95 %], worst, {when}" for when in ("half way", "at the end")]
    return markdown(["function", "method", "seeds", *heads, "CPU s a batch of 4"], rows)


def universal(report: dict[str, Any]) -> str:
    """Adatom and heptamer on SevenNet-0 and CHGNet; rows that are not complete say how many seeds of how many."""
    names = {"sevenn": "SevenNet-0", "chgnet": "CHGNet"}
    rows = []
    for row in report["rows"]:
        paper = row["published"]
        missing = "" if row["seeds"] == row["planned"] else f", {row['planned']} planned"
        interval = f"({row['success_low']:.0%} to {row['success_high']:.0%})"
        rows.append(
            [
                f"`{row['problem']}`",
                names[row["potential"]],
                row["method"] if " " in row["method"] else f"`{row['method']}`",
                f"**{row['successes']} of {row['seeds']}** {interval}{missing}",
                f"**{_count(row['mean_evaluations'])}** of at most {_count(row['most_evaluations'])}",
                f"{row['relaxed_successes']} of {row['seeds']}",
                f"{row['lowest_relaxed']:.3f}",
                _count(row["mean_cpu_seconds"]),
                "-"
                if paper is None
                else f"{paper['successes']} of {paper['runs']}, {_count(paper['mean_evaluations_to_success'])}",
                {None: "", True: "met", False: "missed"}[row["goal_met"]],
            ]
        )
    header = ["problem", "potential", "method", "succeed as evaluated (95 %)", "mean evaluations to it, most spent"]
    more = ["relaxed", "lowest relaxed, eV", "CPU s a run", "paper (MACE-MP-0)", "goal"]
    return markdown([*header, *more], rows)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    f.__name__: f
    for f in (
        *(asking, finding, two_step, grid, attribution, laboratory, constraints),
        *(
            killing,
            killing_server,
            killing_desk,
            kernels,
            gp_scaling,
            resume,
            fuzz,
            ledger_speed,
            attack_executors,
            mutants,
        ),
        *(comparison, heptamer, islands, minima, adatom, sensitivity, scaling),
        *(emt_speed, mace_batch, painn_speed, painn_fidelity),
        *(pools, functions, spectra, coverage),
        *(structures, structure_scaling, large_island, clusters, relaxed_layers, amortisation),
        *(best_possible, harder),
        *(universal,),
    )
}


SAME_FILE = {"coverage": "spectra"}
"""Tables whose figures are in the file of another."""


def main() -> None:
    """Rewrite the pages."""
    for page in PAGES:
        text = page.read_text()
        for name in re.findall(r"<!-- table (\w+) -->", text):
            report = json.loads((RESULTS / f"{SAME_FILE.get(name, name)}.json").read_text())
            body = f"{TABLES[name](report)}\n\n`{report['command']}`, goal: {report.get('goal', 'none set')}."
            pattern = rf"(<!-- table {name} -->\n).*?(<!-- end -->)"
            text = re.sub(pattern, lambda m, b=body: f"{m[1]}{b}\n{m[2]}", text, flags=re.DOTALL)
        page.write_text(text)


if __name__ == "__main__":
    main()
