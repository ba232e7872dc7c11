"""A comparison: several searchers on one problem, with the same seeds, each cell a campaign in a folder of its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from matseek import checks
from matseek.checks import several, whole
from matseek.configuration import quoted, run_settings
from matseek.core.problem import Problem
from matseek.core.searcher import USUAL_BATCH
from matseek.errors import ConfigurationError
from matseek.evaluation import Ledger, LedgerReader
from matseek.evaluation.earlier import take_in
from matseek.files import write_text
from matseek.insight.convergence import iteration_table
from matseek.insight.paired import Run, compared, median_interval
from matseek.insight.success import SuccessRate, round_of
from matseek.logs import logging_to
from matseek.parts import with_current_names
from matseek.processes import worker_pool
from matseek.report.comparison_page import ComparisonRecord, write_comparison_page
from matseek.run_folder import ComparisonFolder, RunFolder
from matseek.runs import keep_config, open_campaign
from matseek.secrets import masked
from matseek.standing import stored_summary
from matseek.tables import write_csv
from matseek.tracking import Tracking
from matseek.training.ranks import ALONE, place_of

logger = logging.getLogger(__name__)

_OWN = {"searchers", "seeds", "first_seed", "workers", "run_dir"}

_FREE = ("seed", "run_dir", "evaluator", "trainer", "logger", "published")
"""Settings that change where and how fast a cell runs, or what it is shown beside, but not what it is. A seed is its
folder's."""

_OF_WATCHING = {"_target_", "model", "batches"}
"""Settings of a stop criterion that say how it judges, and not from where on it ends a campaign."""

_OPENING = 15
"""First points that all searchers are given where neither the protocol nor the user says how many; those that begin
with the same history begin alike without."""

_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184"}
"""Tells glibc to keep freed memory: networks on few atoms train and sample 1.4 times faster."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One searcher with one seed.

    Args:
        searcher: Its name in the configs.
        seed: The campaign's.
        overrides: All that ``matseek run`` would be given.
        folder: Its run folder.
        config: The composed config of its searcher.
    """

    searcher: str
    seed: int
    overrides: tuple[str, ...]
    folder: RunFolder
    config: DictConfig

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.searcher}, seed {self.seed}"

    def summary(self) -> dict[str, Any] | None:
        """What its campaign came to; None while it has neither spent the budget that is asked nor been stopped."""
        result = stored_summary(self.folder.summary)
        if not result.get("stopped_by"):
            return None
        spent = result["evaluations"] >= self.config.budget
        return result if spent or result["stopped_by"] != "budget" else None

    @property
    def complete(self) -> bool:
        """Whether its campaign has ended."""
        return self.summary() is not None

    @property
    def failure(self) -> str | None:
        """Why its last attempt failed; None if none has."""
        path = self.folder.failure
        return path.read_text() if path.is_file() else None

    def note_failure(self, message: str | None) -> None:
        """Write down why an attempt failed; None forgets it."""
        if message is None:
            self.folder.failure.unlink(missing_ok=True)
        else:
            write_text(self.folder.failure, message)

    def result(self) -> Result | None:
        """What it has written down; None while it is not complete."""
        summary = self.summary()
        return None if summary is None else Result(self, summary, self.trace())

    def trace(self) -> pd.DataFrame:
        """A row per evaluation that has ended."""
        return pd.read_csv(self.folder.trace)

    def iterations(self) -> pd.DataFrame:
        """What its searcher noted of each iteration, a row each; empty for searchers that note nothing."""
        return iteration_table(LedgerReader(self.folder.ledger).events())

    def require_same(self) -> None:
        """Refuse a folder that holds a campaign with other settings.

        Raises:
            ConfigurationError: If it does.
        """
        path = self.folder.config
        if not path.is_file():
            return
        recorded, asked = (
            _that_count(_flat(with_current_names(_plain(c)))) for c in (OmegaConf.load(path), self.config)
        )
        recorded["opening"] = recorded.get("opening") or 0  # earlier versions had none
        differ = sorted(key for key in {*recorded, *asked} if recorded.get(key) != asked.get(key))
        # A larger budget goes on with what is there.
        if "budget" in differ and recorded.get("budget", 0) < asked["budget"]:
            differ.remove("budget")
        if differ and not self._of_structures():
            differ = [key for key in differ if not _of_structures_alone(key, recorded.get(key), asked.get(key))]
        if differ:
            message = ", ".join(f"{key}={asked.get(key)} (there: {recorded.get(key)})" for key in differ)
            raise ConfigurationError(
                f"{self.folder.path} holds another campaign: {message}; name another run_dir, or give the "
                "settings it had"
            )

    def _of_structures(self) -> bool:
        """Whether the cell's problem is one of structures."""
        problem: Problem = instantiate(self.config.problem, _convert_="all")
        return problem.space.as_structures() is not None


@dataclass(frozen=True, eq=False)
class Result:
    """What a complete cell has written down.

    Args:
        cell: The cell.
        summary: What its campaign came to.
        trace: A row per evaluation that has ended.
    """

    cell: Cell
    summary: Mapping[str, Any]
    trace: pd.DataFrame

    @property
    def run(self) -> Run:
        """The campaign as statistics see it."""
        return Run(
            seed=self.cell.seed,
            budget=self.cell.config.budget,
            values=self.trace.sort_values("evaluation")["value"].to_numpy(np.float64),
            first=self.summary["evaluations_to_success"],
            tested=self.summary["success"] is not None,
        )

    @property
    def rounds_to_success(self) -> int | None:
        """Batches up to the first success, its own among them; None where there is none."""
        return round_of(self.trace, self.summary["evaluations_to_success"])


Results = Mapping[str, Sequence[Result]]
"""By searcher, of its complete cells."""


class Comparison:
    """Searchers by seeds.

    Args:
        overrides: Hydra overrides for every cell (``budget=320``) or one searcher's (``godiff.samples=16``), and the
            comparison's own settings: ``searchers=[a,b]``, ``seeds=8``
            (how many), ``first_seed=0``, ``workers=2`` (processes; a processor core or a GPU each if left out) and
            ``run_dir=FOLDER``. All searchers are given the same first 15 points of each seed, unless ``opening=N``
            or a protocol says otherwise. With ``history=...`` every cell begins with the same copy of it,
            ``history.db`` in the folder, and usually without such points.

    Raises:
        ConfigurationError: If a setting is missing or refused, or a cell's folder holds another campaign.
    """

    def __init__(self, overrides: Sequence[str]) -> None:
        own, others = _own_settings(several(checks.text)("overrides", overrides))
        searchers, seeds, first = own.get("searchers"), own.get("seeds", 8), own.get("first_seed", 0)
        if isinstance(searchers, str):
            searchers = [searchers]
        if (
            not isinstance(searchers, list)
            or not searchers
            or not all(isinstance(s, str) for s in searchers)
            or len({*searchers}) < len(searchers)
        ):
            raise ConfigurationError(f"searchers={searchers!r} must name each searcher once: searchers=[random,lhs]")
        try:
            whole(1, 100_000)("seeds", seeds)
            whole(0, 2**62)("first_seed", first)
            whole(1, 10_000)("workers", own.get("workers", 1))
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        if any(o.startswith(("searcher=", "seed=")) for o in others):
            raise ConfigurationError("a comparison has searchers=[...] and seeds=N; leave searcher= and seed= out")
        # Judging every run takes time that no method should be charged with; stop=... on the command line still counts.
        base = ("stop=none", *others)
        self.searchers: tuple[str, ...] = tuple(searchers)
        self.seeds = tuple(range(first, first + seeds))
        self.workers: int = own.get("workers") or torch.cuda.device_count() or os.cpu_count() or 1
        # Cells of a searcher differ in seed and folder alone: their settings are composed and checked once.
        given = {searcher: self._overrides(base, searcher) for searcher in self.searchers}
        settings = {searcher: run_settings([*selected, f"seed={first}"]) for searcher, selected in given.items()}
        if place_of(1) != ALONE:
            raise ConfigurationError(
                "a comparison starts its cells' processes itself: give the command once, not by torchrun"
            )
        for name, each in settings.items():
            if each.searcher.processes > 1:
                raise ConfigurationError(
                    f"searcher={name} trains with {each.searcher.processes} processes in every cell, and each of them "
                    "would start the comparison again; take trainer=cpu or trainer=gpu (one device for each cell), or "
                    "run the cells one by one: matseek run"
                )
            each.searcher.check_problem(each.problem)
            each.searcher.check(each.budget)
            each.problem.require_oracle()
        self.titles = _titles({name: each.searcher.title for name, each in settings.items()})
        self.problem: Problem = settings[self.searchers[0]].problem
        self.folder = ComparisonFolder(Path(own.get("run_dir") or f"runs/{self.problem.name}"))
        sources = settings[self.searchers[0]].history
        if sources:
            frozen = self._frozen(sources)
            for name, each in settings.items():
                each.config.history = frozen
                given[name] = (*given[name], f"history={quoted(frozen)}")
        unsaid = [name for name, each in settings.items() if each.config.opening is None]
        common = self._common_opening({name: settings[name].budget for name in unsaid}, 0 if sources else _OPENING)
        for name in unsaid:
            settings[name].config.opening = common
            given[name] = (*given[name], f"opening={common}")
        for each in settings.values():
            if not 0 <= each.config.opening <= each.budget:
                raise ConfigurationError(
                    f"opening={each.config.opening} must lie between 0 and budget={each.budget}; lower it, or raise "
                    "the budget"
                )
        self.cells = tuple(
            self._cell(searcher, seed, given[searcher], settings[searcher].config)
            for seed in self.seeds
            for searcher in self.searchers
        )
        for cell in self.cells:
            cell.require_same()

    def _overrides(self, base: Sequence[str], searcher: str) -> tuple[str, ...]:
        own = [text for text in base if self._owner(text) is None]
        # "godiff.samples=16" is "searcher.samples=16" where the searcher is godiff.
        own += ["searcher" + text.removeprefix(searcher) for text in base if self._owner(text) == searcher]
        return (f"searcher={searcher}", *own)

    def _common_opening(self, budgets: Mapping[str, int], usual: int) -> int:
        """First points of searchers (names with budgets) where nobody says how many: as begun campaigns have."""
        known = {
            int(_plain(OmegaConf.load(begun.config)).get("opening") or 0)
            for searcher in budgets
            for begun in self.folder.begun(searcher)
        }
        if len(known) > 1:
            raise ConfigurationError(
                f"{self.folder.path} holds campaigns with openings of {sorted(known)} points; say opening=N, or name "
                "another run_dir"
            )
        return known.pop() if known else min([usual, *budgets.values()])

    def _frozen(self, sources: Sequence[str]) -> str:
        """One copy of earlier campaigns for all cells, since theirs may go on meanwhile; gives its ledger's path."""
        path = self.folder.history
        ledger = Ledger(path)
        with ledger.locked():
            take_in(ledger, self.problem, sources)
        return str(path)

    def _cell(self, searcher: str, seed: int, overrides: Sequence[str], config: DictConfig) -> Cell:
        folder = self.folder.cell(searcher, seed)
        return Cell(searcher, seed, (*overrides, f"seed={seed}", f"run_dir={quoted(folder.path)}"), folder, config)

    def _owner(self, override: str) -> str | None:
        """The searcher whose own setting an override is; None where it is every cell's."""
        return next((name for name in self.searchers if override.startswith(f"{name}.")), None)

    @property
    def missing(self) -> tuple[Cell, ...]:
        """Cells that are still to be run or to be gone on with."""
        return tuple(cell for cell in self.cells if not cell.complete)

    def run(self, on_change: Callable[[Sequence[Cell], int], None] | None = None) -> dict[str, str]:
        """Run what is missing, in processes of their own.

        Args:
            on_change: Told the running cells and how many have ended, whenever that changes.

        Returns:
            What went wrong, by the cell's name; the other cells are complete.
        """
        waiting, failures = list(self.missing), {}
        ended = len(self.cells) - len(waiting)
        gpus = _gpus()
        threads = max((os.cpu_count() or 1) // self.workers, 1)
        running: dict[Future[None], tuple[Cell, str | None]] = {}
        # A GPU is chosen before torch has looked, in a process of its own; without a choice processes serve again.
        # A cell that is cut off goes on from its ledger when the same command is given again.
        with (
            _environment({"OMP_NUM_THREADS": str(threads), **_KEEP_MEMORY}),
            worker_pool(self.workers, max_tasks=1 if gpus else 0) as pool,
        ):
            while waiting or running:
                while waiting and len(running) < self.workers:
                    cell = waiting.pop(0)
                    cell.note_failure(None)
                    gpu = _least_busy(gpus, [taken for _, taken in running.values()])
                    future: Future[None] = pool.schedule(run_cell, args=(cell.overrides, gpu))
                    running[future] = cell, gpu
                if on_change is not None:
                    on_change([cell for cell, _ in running.values()], ended)
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    cell, _ = running.pop(done)
                    ended += 1
                    if (error := done.exception()) is not None:
                        failures[cell.name] = masked(f"{type(error).__name__}: {error}")
                        cell.note_failure(failures[cell.name])
                        logger.warning("%s failed: %s", cell.name, failures[cell.name])
        return failures

    def rates(self) -> dict[str, tuple[SuccessRate, SuccessRate]]:
        """By searcher, successes of the complete cells as evaluated, and after relaxation."""
        return _rates(self._results())

    def runs(self) -> dict[str, list[Run]]:
        """By searcher, the runs of the complete cells."""
        return _runs(self._results())

    def pairs(self) -> pd.DataFrame:
        """A row per pair of searchers and measure, see :func:`matseek.insight.paired.compared`."""
        return compared(self.runs())

    def table(self) -> pd.DataFrame:
        """A row per searcher, from its complete cells.

        Medians are over seeds, with 95 % bootstrap intervals; areas
        (:func:`matseek.insight.convergence.area_under_best`) are over the searcher's own budget.
        The optimizer overhead (``seconds_thinking_per_evaluation``, as the first version named it) is wall time
        that did not go into evaluations.
        """
        return self._table(self._results())

    def _table(self, results: Results) -> pd.DataFrame:
        rates, runs, rows = _rates(results), _runs(results), []
        for searcher, complete in results.items():
            summaries = [result.summary for result in complete]
            raw, relaxed = rates[searcher]
            low, high = raw.interval()
            config = next(cell for cell in self.cells if cell.searcher == searcher).config
            published = config.get("published") or {}
            best, best_low, best_high = _told_median([run.best(run.budget) for run in runs[searcher]])
            area, area_low, area_high = _told_median([run.area(run.budget) for run in runs[searcher]])
            tested = raw.runs > 0
            rounds = SuccessRate([r.rounds_to_success for r in complete if r.run.tested])
            rows.append(
                {
                    "searcher": searcher,
                    "seeds": len(summaries),
                    "budget": config.budget,
                    "successes": raw.successes if tested else None,
                    "success_rate": raw.rate,
                    "success_low": low,
                    "success_high": high,
                    "median_evaluations_to_success": _finite(raw.median),
                    "mean_evaluations_to_success": raw.mean_of_successes,
                    "median_rounds_to_success": _finite(rounds.median),
                    "mean_rounds_to_success": rounds.mean_of_successes,
                    "relaxed_successes": relaxed.successes if relaxed.runs else None,
                    "median_evaluations_to_relaxed_success": _finite(relaxed.median),
                    "mean_evaluations_to_relaxed_success": relaxed.mean_of_successes,
                    "median_best_value": best,
                    "median_best_low": best_low,
                    "median_best_high": best_high,
                    "median_area": area,
                    "median_area_low": area_low,
                    "median_area_high": area_high,
                    "evaluations": sum(s["evaluations"] for s in summaries),
                    "relaxation_calls": sum(s["relaxation_calls"] or 0 for s in summaries),
                    "median_cpu_seconds": _median([s["cpu_seconds"] for s in summaries]),
                    "median_wall_seconds": _median([s["wall_seconds"] for s in summaries]),
                    "seconds_thinking_per_evaluation": _median([_overhead_per_evaluation(s) for s in summaries]),
                    "published_runs": published.get("runs"),
                    "published_successes": published.get("successes"),
                    "published_mean_evaluations_to_success": published.get("mean_evaluations_to_success"),
                }
            )
        frame = pd.DataFrame(rows)
        whole = ["successes", "relaxed_successes", "published_runs", "published_successes"]
        return frame.astype(dict.fromkeys(whole, "Int64"))

    def record(self) -> ComparisonRecord:
        """Everything that the complete cells have written down."""
        results = self._results()
        return ComparisonRecord(
            problem=self.problem,
            table=self._table(results),
            pairs=compared(_runs(results)),
            rates=_rates(results),
            summaries={name: [r.summary for r in complete] for name, complete in results.items()},
            traces={name: [r.trace for r in complete] for name, complete in results.items()},
            iterations={name: [r.cell.iterations() for r in complete] for name, complete in results.items()},
            published={c.searcher: dict(c.config.published) for c in self.cells if c.config.published},
            missing={c.name: c.failure for c in self.missing},
        )

    def write(self) -> Path:
        """Write ``table.csv``, ``pairs.csv`` and ``report.html``; gives the page's path."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        record = self.record()
        for path, frame in ((self.folder.table, record.table), (self.folder.pairs, record.pairs)):
            write_csv(frame, path, float_format="%.6g")
        write_comparison_page(self.folder.page, record.named(self.titles))
        if (tracking := self._tracking()) is not None:
            try:
                tracking.compared(self.folder.path, record.table, record.pairs, self.folder.page)
            except Exception as error:  # whatever goes wrong there costs no comparison
                logger.warning("logger=%s failed (%s: %s)", tracking.kind, type(error).__name__, error)
        return self.folder.page

    def _tracking(self) -> Tracking | None:
        """Where its campaigns are followed, in their group; None: nowhere."""
        settings = next((c.config.logger for c in self.cells if c.config.get("logger")), None)
        if settings is None:
            return None
        tracking: Tracking = instantiate(settings, _convert_="all")
        return replace(tracking, group=tracking.group or self.folder.path.resolve().name)

    def _results(self) -> Results:
        """Read the complete cells."""
        collected: dict[str, list[Result]] = {searcher: [] for searcher in self.searchers}
        for cell in self.cells:
            if (result := cell.result()) is not None:
                collected[cell.searcher].append(result)
        return collected


def run_cell(overrides: Sequence[str], gpu: str | None = None) -> None:
    """Run a cell to its end, or go on with it, and write its record; this is the work of one process.

    Args:
        overrides: The cell's.
        gpu: The only GPU that this process is to see; None for those there are.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    settings = run_settings(overrides)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    tracking = settings.tracking
    if tracking is not None:
        tracking = replace(tracking, group=tracking.group or _group(settings.run_dir))
    with logging_to(settings.run_dir):
        campaign = open_campaign(replace(settings, tracking=tracking))
        keep_config(settings)
        campaign.run(settings.budget)
        campaign.recognise()
        campaign.report.write_record(RunFolder(settings.run_dir))
        campaign.publish(settings.run_dir)


def _titles(own: Mapping[str, str]) -> dict[str, str]:
    """How people read each searcher's name: its title, with the name where several have the same."""
    every = list(own.values())
    return {name: title if every.count(title) == 1 else f"{title} ({name})" for name, title in own.items()}


def _group(folder: Path) -> str:
    """The comparison that a cell's folder belongs to, by the name of the comparison's folder."""
    return folder.resolve().parents[1].name


def _runs(results: Results) -> dict[str, list[Run]]:
    return {searcher: [result.run for result in complete] for searcher, complete in results.items()}


def _rates(results: Results) -> dict[str, tuple[SuccessRate, SuccessRate]]:
    collected = {}
    for searcher, complete in results.items():
        summaries = [result.summary for result in complete]
        raw = SuccessRate([s["evaluations_to_success"] for s in summaries if s["success"] is not None])
        relaxed = [s for s in summaries if s["relaxed_success"] is not None]
        collected[searcher] = (raw, SuccessRate([s["evaluations_to_relaxed_success"] for s in relaxed]))
    return collected


def _own_settings(overrides: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The comparison's own settings, and the overrides that are every cell's."""
    own: dict[str, Any] = {}
    others = []
    parser = OverridesParser.create()
    for text in overrides:
        try:
            override = parser.parse_override(text)
        except HydraException as error:
            raise ConfigurationError(f"overrides: {text!r} is none ({error}); write KEY=VALUE") from error
        if override.key_or_group in _OWN:
            value = override.value()
            own[override.key_or_group] = [str(v) for v in value] if isinstance(value, list) else value
        else:
            others.append(text)
    return own, others


def _that_count(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without those of stop criteria that end nothing: versions differ in what they record."""

    def ends(criterion: str) -> bool:
        own = {key.rsplit(".", 1)[-1]: value for key, value in settings.items() if key.startswith(f"{criterion}.")}
        return any(value is not None for name, value in own.items() if name not in _OF_WATCHING)

    criteria = {key: ".".join(key.split(".")[:2]) for key in settings if key.startswith("stop.")}
    return {key: value for key, value in settings.items() if key not in criteria or ends(criteria[key])}


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted names, without those that change no result; an empty list says as much as none."""
    result: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if name in _FREE or name.startswith(("searcher.trainer", "logger.")):
            continue
        if isinstance(value, Mapping) and value:
            result |= _flat(value, f"{name}.")
        elif value != []:
            result[name] = value
    return result


def _of_structures_alone(key: str, one: object, other: object) -> bool:
    """Whether a setting that differs changes nothing in a box: those of structures, and the usual batch or none."""
    parts = key.split(".")
    return "structures" in parts or (parts[-1] == "batch_size" and {one, other} == {None, USUAL_BATCH})


def _plain(config: DictConfig | ListConfig) -> dict[str, Any]:
    result = OmegaConf.to_container(config)
    assert isinstance(result, dict)
    return {str(key): value for key, value in result.items()}


def _least_busy(gpus: Sequence[str], taken: Sequence[str | None]) -> str | None:
    """The GPU with the fewest cells; None where there is nothing to choose."""
    return min(gpus, key=taken.count, default=None)


def _gpus() -> list[str]:
    """The GPUs that processes may be given, as CUDA_VISIBLE_DEVICES names them; none where there is at most one."""
    if torch.cuda.device_count() < 2:
        return []
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return seen.split(",") if seen else [str(i) for i in range(torch.cuda.device_count())]


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables for the processes that are begun inside; those that are set already stay."""
    added = {key: value for key, value in variables.items() if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            del os.environ[key]


def _median(values: Sequence[float | None]) -> float:
    known = [v for v in values if v is not None]
    return float(np.median(known)) if known else float("nan")


def _told_median(values: Sequence[float]) -> tuple[float, float, float]:
    """Median with its interval; runs without a value are left out."""
    known = [v for v in values if np.isfinite(v)]
    low, high = median_interval(known)
    return _median(known), float(low), float(high)


def _overhead_per_evaluation(summary: Mapping[str, Any]) -> float | None:
    """Seconds; None where earlier versions did not note them."""
    seconds = summary.get("overhead_seconds", summary.get("seconds_thinking"))  # as earlier versions called it
    return None if seconds is None else float(seconds / max(summary["evaluations"], 1))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else float("nan")
