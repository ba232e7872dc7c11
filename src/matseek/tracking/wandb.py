"""Weights & Biases: one run per campaign, grouped by comparison, online where there is a key."""

from __future__ import annotations

import logging
import netrc
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, get_args
from urllib.parse import urlsplit

import ase.io
import numpy as np
import numpy.typing as npt

from matseek.checks import check, flag, one_of, optional, several, text, whole
from matseek.evaluation.ledger import copy_ledger
from matseek.report.structure_view import structure_view
from matseek.tracking.outcome import CampaignOutcome, IterationState
from matseek.tracking.provenance import provenance
from matseek.tracking.settings import GRADIENTS, PARAMETERS, STEP, Label, Tracking

if TYPE_CHECKING:
    import pandas as pd
    from lightning.pytorch.loggers import Logger, WandbLogger
    from wandb import Run, Settings

logger = logging.getLogger(__name__)

Mode = Literal["online", "offline", "disabled", "shared"]
Watch = Literal["gradients", "parameters", "all"]

PER_STEP = ("score_loss", "force_loss", "grad_norm", "learning_rate", "steps_per_second", "epoch")
"""What is drawn against training steps; everything else against evaluations."""

LOWER_IS_BETTER = ("value", "best_value", "score_loss", "force_loss", "held_out_loss")
"""Whose least value is the run's summary."""

_BINS = 64
"""Bins of a histogram."""

_PATIENCE = 30.0
"""Seconds that a server has to answer before a campaign is followed offline."""

_UNWRITTEN = 0.5
"""Seconds for which W&B may keep rows in memory."""

_begun: dict[str, Run] = {}
"""This process's open runs by id: a campaign that was left open and is made anew (in a notebook) takes its run over."""


@dataclass(frozen=True)
class WandbTracking(Tracking):
    """One W&B run per campaign, with figures, candidates, structures, models and the ledger at its end.

    Online where there is a key (``WANDB_API_KEY``, or ``wandb login``), else offline in ``wandb/``, from where
    ``wandb sync`` takes it; ``WANDB_MODE`` overrides both. A campaign that goes on continues its run.

    Args:
        project: The W&B project; None: ``WANDB_PROJECT``, or matseek.
        entity: User or team; None for the key's own.
        tags: Further words to find it by.
        alerts: Whether W&B sends a message when the problem is solved, and when the campaign fails.
        checkpoint_every: Iterations of a search for structures after which its best structure, and the model that has
            proposed the iteration, are kept as artifacts with the aliases ``iteration-N`` and ``latest``. Iterations
            that find a new best structure are kept as well, as ``best``. None: only what there is at the end.
        watch: Of GO-Diff's network in training: ``gradients``, ``parameters`` or ``all`` of both, as a histogram for
            each parameter wherever losses are logged; None for neither.
    """

    kind: ClassVar[str] = "wandb"
    project: str | None = None
    entity: str | None = None
    tags: tuple[str, ...] = ()
    alerts: bool = True
    checkpoint_every: int | None = 10
    watch: Watch | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "logger.", project=optional(text), entity=optional(text), tags=several(text), alerts=flag)
        check(self, "logger.", checkpoint_every=optional(whole(1)), watch=optional(one_of(get_args(Watch))))

    @property
    def watched(self) -> tuple[str, ...]:
        """As ``watch`` says."""
        return {None: (), GRADIENTS: (GRADIENTS,), PARAMETERS: (PARAMETERS,)}.get(self.watch, (GRADIENTS, PARAMETERS))

    def open(self, label: Label) -> Logger:
        """Begin the run, or go on with it."""
        if label.id in _begun:
            _begun.pop(label.id).finish()
        run = _begun[label.id] = self._begin(label)
        run.define_metric("evaluation")
        run.define_metric(STEP)
        run.define_metric("*", step_metric="evaluation")
        for name in {*PER_STEP, *LOWER_IS_BETTER}:
            against = STEP if name in PER_STEP else "evaluation"
            run.define_metric(name, step_metric=against, summary="min" if name in LOWER_IS_BETTER else None)
        for kind in self.watched:
            run.define_metric(f"{kind}/*", step_metric=STEP)
        from lightning.pytorch.loggers import WandbLogger

        return WandbLogger(experiment=run, save_dir=label.folder)

    def _begin(self, label: Label) -> Run:
        """A run as W&B is meant to be reached, or offline where it does not answer."""
        mode = mode_of_session()
        try:
            run = self._begin_in(mode, label)
        except Exception as error:
            if mode != "online":
                raise
            logger.warning("W&B does not answer (%s: %s); the run is kept offline", type(error).__name__, error)
            run = self._begin_in("offline", label)
        if run.settings.mode == "offline":
            where = label.folder / self.kind / f"offline-run-*-{label.id}"
            logger.warning("W&B is offline; to upload this run: wandb sync %s", where)
        elif run.url:
            logger.warning("W&B: %s is at %s", label.name, run.url)
        return run

    def _begin_in(self, mode: Mode, label: Label) -> Run:
        import wandb

        # Not the process's one run: several campaigns may be followed in turn, and a user's own run is left alone.
        return wandb.init(
            mode=mode,
            dir=label.folder,
            project=self.project or os.environ.get("WANDB_PROJECT") or "matseek",
            entity=self.entity,
            group=self.group,
            job_type=label.searcher,
            name=label.name,
            tags=list(self.tags),
            id=label.id,
            resume="allow",
            config={**label.config, **provenance()},
            reinit="create_new",
            settings=_settings(),
        )

    def log(
        self,
        logger: Logger,
        figures: Mapping[str, float],
        step: int,  # noqa: ARG002 -- W&B counts rows
        row: int,
        distributions: Mapping[str, npt.NDArray[np.float32]] = MappingProxyType({}),
    ) -> None:
        """Log figures, each row with its number: rows of an offline run that went on are uploaded in order."""
        import wandb

        shown: dict[str, Any] = dict(figures)
        for name, values in distributions.items():
            finite = values[np.isfinite(values)]
            if len(finite):
                shown[name] = wandb.Histogram(np_histogram=np.histogram(finite, bins=_BINS))
        cast("WandbLogger", logger).experiment.log(shown, step=row, commit=True)

    def iterated(self, logger: Logger, label: Label, state: IterationState) -> None:
        """The model and the best structure as artifacts, every so many iterations and when there is a new best."""
        run: Any = cast("WandbLogger", logger).experiment
        due = self.checkpoint_every is not None and state.iteration % self.checkpoint_every == 0
        if run.disabled or self.checkpoint_every is None or not (due or state.improved):
            return
        kept = Path(run.settings.sync_dir) / "artifacts" / f"iteration-{state.iteration}"
        kept.mkdir(parents=True, exist_ok=True)
        aliases = ["latest", f"iteration-{state.iteration}", *(["best"] if state.improved else [])]
        path = kept / "best.extxyz"
        ase.io.write(path, state.structure, format="extxyz")
        with _staging_in(Path(run.settings.sync_dir) / "staging"):
            _upload(run, "structures", f"{label.name}-{label.id}-structures", [path], kept, aliases)
            if state.models:
                _upload(run, "model", f"{label.name}-{label.id}-model", state.models, kept, aliases)

    def compared(self, folder: Path, table: pd.DataFrame, pairs: pd.DataFrame, page: Path) -> None:
        """A run of its own in the comparison's group: its tables, and its page with figures and verdict."""
        import wandb

        # The same run whenever the same comparison is written.
        own_id = sha256(str(folder.resolve()).encode()).hexdigest()[:8]
        run: Any = self._begin(Label("comparison", None, own_id, {}, folder))
        try:
            if not run.disabled:
                with _staging_in(Path(run.settings.sync_dir) / "staging"):
                    tables = {"table": table, "pairs": pairs}
                    shown = {name: wandb.Table(dataframe=_with_none(frame)) for name, frame in tables.items()}
                    run.log({**shown, "page": wandb.Html(page.read_text(encoding="utf-8"), inject=False)})
        finally:
            run.finish()

    def show(self, logger: Logger, label: Label, outcome: CampaignOutcome, row: int) -> None:
        """Pictures, candidates and structures in the run's workspace, models and ledger as its artifacts."""
        run: Any = cast("WandbLogger", logger).experiment
        if run.disabled:
            return
        with _staging_in(Path(run.settings.sync_dir) / "staging"):
            self._show(run, label, outcome, row)

    def _show(self, run: Any, label: Label, outcome: CampaignOutcome, row: int) -> None:  # noqa: ANN401 -- W&B's own
        import wandb

        shown: dict[str, Any] = {f"figures/{path.stem}": wandb.Image(str(path)) for path in outcome.figures}
        table = outcome.candidates
        if len(table):
            # Pictures are the last column, which the workspace shows large where the pointer rests.
            pictures = [wandb.Image(figure) for figure in outcome.draw()]
            rows: list[Any] = table.to_numpy().tolist()
            rows = [[*row, picture] for row, picture in zip_longest(rows, pictures)]
            shown["candidates"] = wandb.Table(columns=[*map(str, table.columns), "picture"], data=rows)
        # Viewers of molecules read PDB and not the formats that keep energies; those are in the artifact.
        with TemporaryDirectory() as scratch:
            if outcome.structures:
                shown["structures"] = []
                name, atoms = next(iter(outcome.structures.items()))
                shown["best_structure"] = wandb.Html(structure_view(atoms, name).html())
            for i, (name, atoms) in enumerate(outcome.structures.items()):
                path = Path(scratch) / f"{i}.pdb"
                ase.io.write(path, atoms, format="proteindatabank")
                shown["structures"].append(wandb.Molecule(str(path), caption=name))
            run.log({"evaluation": outcome.evaluations, **shown}, step=row, commit=True)
        run.summary.update(outcome.scalars)
        if self.alerts and outcome.summary.get("success"):
            solved = outcome.summary.get("evaluations_to_success")
            run.alert(title=f"{label.name} has solved its problem", text=f"after {solved} evaluations", level="INFO")
        # Copies, since both files change when the campaign goes on and an offline run is uploaded later.
        kept = Path(run.settings.sync_dir) / "artifacts" / str(outcome.evaluations)
        kept.mkdir(parents=True, exist_ok=True)
        record = list(outcome.record)
        if outcome.ledger is not None:
            copy_ledger(outcome.ledger, kept / outcome.ledger.name)
            record.append(kept / outcome.ledger.name)
        aliases = ["latest", f"evaluation-{outcome.evaluations}"]
        _upload(run, "ledger", f"{label.name}-{label.id}-ledger", record, kept, aliases)
        if outcome.structures:
            path = kept / "best.extxyz"
            ase.io.write(path, list(outcome.structures.values()), format="extxyz")
            _upload(run, "structures", f"{label.name}-{label.id}-structures", [path], kept, ["best", *aliases])
        if outcome.models:
            _upload(run, "model", f"{label.name}-{label.id}-model", outcome.models, kept, aliases)

    def close(self, logger: Logger, *, failed: bool) -> None:
        """End the run as far as this process goes."""
        run: Any = cast("WandbLogger", logger).experiment
        if failed and self.alerts and not run.disabled:
            text = "The campaign was cut off; the same command goes on with it."
            run.alert(title=f"{run.name} has failed", text=text, level="ERROR")
        _begun.pop(run.id, None)
        run.finish(exit_code=int(failed))


def _settings() -> Settings:
    import wandb

    settings = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, init_timeout=_PATIENCE)
    # What W&B has not written when a process is killed is lost; versions before this setting write at once.
    if "x_transaction_log_flush_interval" in wandb.Settings.model_fields:
        settings.x_transaction_log_flush_interval = _UNWRITTEN
    # The command line would be uploaded, with every password that was typed there.
    settings.x_disable_meta = True
    return settings


@contextmanager
def _staging_in(folder: Path) -> Iterator[None]:
    """Have W&B keep what it is still to upload in a folder of the run, and not in the user's home."""
    before = os.environ.get("WANDB_DATA_DIR")
    os.environ["WANDB_DATA_DIR"] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_DATA_DIR"]
        else:
            os.environ["WANDB_DATA_DIR"] = before


def _upload(
    run: Any,  # noqa: ANN401 -- W&B's own
    kind: str,
    name: str,
    files: Iterable[Path],
    kept: Path,
    aliases: Sequence[str],
) -> None:
    import wandb

    artifact = wandb.Artifact(name, type=kind)
    for path in files:
        copy = kept / path.name
        if copy != path:
            shutil.copyfile(path, copy)
        artifact.add_file(str(copy), policy="immutable", skip_cache=True)
    run.log_artifact(artifact, aliases=list(aliases))


def _with_none(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame whose missing cells are None, as JSON knows them."""
    cells = frame.astype(object)
    return cells.where(cells.notna(), None)


def mode_of_session() -> Mode:
    """``WANDB_MODE`` where it is set, else online where there is a key and offline where there is none."""
    chosen = os.environ.get("WANDB_MODE")
    if chosen == "dryrun":
        return "offline"
    if chosen in ("online", "offline", "disabled", "shared"):
        return chosen  # type: ignore[return-value]
    return "online" if has_key() else "offline"


def has_key() -> bool:
    """Whether there is a W&B key: in ``WANDB_API_KEY``, or in the netrc file that ``wandb login`` writes."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).netloc
    places = (os.environ.get("NETRC"), "~/.netrc", "~/_netrc")
    path = next((p for place in places if place and (p := Path(place).expanduser()).is_file()), None)
    if path is None:
        return False
    try:
        result = netrc.netrc(path).authenticators(host)
    except (netrc.NetrcParseError, OSError) as error:
        warnings.warn(f"{path} cannot be read: {error}", stacklevel=2)
        return False
    return bool(result and result[2])
