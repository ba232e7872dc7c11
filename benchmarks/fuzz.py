"""Hostile settings: what every public constructor and every key of the configs does with values that it cannot use.

A try takes settings that work and puts hostile values in the place of one to three of them. What is refused must be
refused by matseek itself, before any evaluation, and in seconds; what is accepted must start: a sample of the accepted
configurations is run for a few evaluations.

    .venv/bin/python -m benchmarks.fuzz [--constructors 10000] [--configurations 10000] [--seed 0] [--run 0.1]
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import math
import os
import random
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from ase.build import fcc111
from ase.calculators.emt import EMT
from hydra.errors import InstantiationException
from omegaconf import DictConfig

import matseek
from benchmarks.results_io import write
from matseek import diffusion, evaluation, problems, searchers, spaces, surrogates
from matseek.campaign import Campaign
from matseek.comparison import Comparison
from matseek.configuration import run_settings
from matseek.errors import MatseekError
from matseek.godiff import atomic_score, recipe_score, score_matching
from matseek.godiff import replay as replay_data
from matseek.insight import stopping
from matseek.library import gold, gold_problems, measured, platinum, silver, silver_problems
from matseek.networks import graphs, painn
from matseek.potentials import BatchedEMT
from matseek.potentials.mace import MACE
from matseek.problems import calculators, laboratory, motifs
from matseek.searchers.relaxation import RandomStructureSearch
from matseek.surrogates.gp import GaussianProcess
from matseek.tracking import settings as tracking
from matseek.tracking.wandb import WandbTracking
from matseek.training.trainer import TrainerSettings

SOURCE = str(Path(matseek.__file__).parent)

SHORTEST = 15
"""Characters of a message that can tell what is wrong and what is wanted."""

CHUNK = 250
"""Tries of one process."""

PATIENCE_S = 120.0
"""Seconds after which a try counts as a hang; one takes milliseconds."""

MEMORY_BYTES = 8 * 2**30
"""Address space of the process: settings that would fill a machine's memory fail here instead."""


class Hang(BaseException):
    """A try took too long."""


class Unprintable:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def hostile() -> list[Any]:
    """Values that hardly any setting can use."""
    return [
        *(
            None,
            True,
            False,
            math.nan,
            math.inf,
            -math.inf,
            -1,
            0,
            1,
            2,
            1.5,
            -0.5,
            1e-300,
            1e300,
            10**9,
            10**30,
            10**400,
        ),
        *("", " ", "abc", "12", "nan", "auto", "a\nb", "\0", "\ud800", "../../x", "=1+1", "x" * 10_000, b"x"),
        *(
            [],
            [None],
            [0],
            [1, 2],
            ["a", "a"],
            [[1, 2], [3]],
            (),
            (1, 2),
            (1, 2, 3),
            ("a", "b"),
            {},
            {"a": 1},
            {1: "b"},
        ),
        *(
            {"_target_": "os.getcwd"},
            set(),
            {1, 2},
            range(3),
            iter([1]),
            object(),
            Unprintable(),
            Exception("x"),
            int,
            dict,
        ),
        *(
            lambda: 1,
            lambda a: a,
            lambda a, _b: a,
            lambda a, _b, _c: a,
            lambda *_a, **_k: 1,
            print,
            len,
            partial(int, nope=1),
        ),
        *(np.float64(2), np.float32(0.5), np.int64(3), np.bool_(True), np.array(3), np.array(0.5), np.array([])),
        *(np.array([1.0, np.nan]), np.array([1, 2]), np.array([[1.0, 2.0]]), np.array(["a"]), np.array([None, 1])),
        *(
            1j,
            Decimal("1.5"),
            Fraction(1, 2),
            Path("x"),
            Path(),
            torch.tensor(1.0),
            torch.tensor([1, 2]),
            torch.nn.ReLU(),
        ),
    ]


def box() -> spaces.Box:
    """A box of recipes."""
    rule = spaces.LinearConstraint({"a": 1, "b": 2}, upper=2)
    return spaces.Box([spaces.Variable("a", 0, 1), spaces.Variable("b", -1, 1, unit="mL")], [rule])


def adlayer() -> spaces.Adlayer:
    """Two free atoms."""
    return spaces.Adlayer(fcc111("Pt", (3, 3, 2), vacuum=6), "Pt2", (1.0, 4.0))


def value_of(points: Any) -> Any:  # noqa: ANN401 -- an oracle
    """An oracle."""
    return np.asarray(points).sum(axis=1)


def recipe_problem() -> problems.RecipeProblem:
    """A problem without spectra."""
    return problems.RecipeProblem(box(), value_of, name="sum")


def manifold() -> diffusion.BoxManifold:
    """A unit square."""
    return diffusion.BoxManifold((0.0, 0.0), (1.0, 1.0))


def score_net() -> recipe_score.MLPScore:
    """A small perceptron."""
    return recipe_score.MLPScore(manifold(), (0.01, 1.0), hidden=(4,))


WAVES = np.linspace(380.0, 800.0, 9)

ALIASES = {"Ledger": "ledger", "Comparison": "searchers", "Campaign.run": "oracle"}
"""What messages call a setting, where the constructor calls it otherwise."""

Example = tuple[Callable[..., Any], Callable[[], dict[str, Any]]]


def examples() -> dict[str, Example]:
    """Constructors by name, each with settings that work."""
    layer, plain, points = adlayer(), box(), np.array([[0.1, 0.2], [0.5, 0.1], [0.9, 0.3]])
    values = np.array([1.0, 2.0, 3.0])
    known = layer.atoms(layer.sample_uniform(1, np.random.default_rng(0))[0])
    slab: dict[str, Any] = {"cell": ((3.0, 0.0), (0.0, 3.0)), "z_low": 0.0, "z_high": 4.0, "particles": 2}
    system: dict[str, Any] = {
        "positions": layer.template.positions,
        "numbers": layer.template.numbers,
        "cell": np.array(layer.template.cell),
        "pbc": (True, True, False),
        "free_numbers": [78, 78],
    }
    energies = {"energies": torch.tensor([1.0, 2.0])}
    network = {"features": 4, "blocks": 1, "cutoff": 4.0, "gaussians": 4}
    tracked: dict[str, Any] = {"folder": "x", "group": None, "searcher": None, "config": None}
    schedule = {"low": 0.01, "high": 1.0}
    jitter = {"droplets": 2, "pump_jitter": 0.1, "kinetics": silver.SilverKinetics(), "baseline": 0.0}
    variables = {"a": {"low": 0, "high": 1, "unit": "%", "hardware": [0, 2]}, "b": {"low": 0, "high": 1}}
    rules = [{"coefficients": {"a": 1, "b": 1}, "upper": 1.5}]
    sampler = {"schedule": diffusion.LinearSchedule(), "steps": 3}
    replay = {"buffer": replay_data.ReplayBuffer(4), "manifold": manifold(), "schedule": diffusion.LinearSchedule()}
    emt: dict[str, Any] = {"calculator": EMT}
    fit = {"space": plain, "points": points, "values": values, "variances": np.full(3, np.nan), "kernel": "ard"}
    spectra = {"points": points, "responses": [1.0, 2.0, 3.0], "wavelengths": None, "members": 2, "rows": "means"}
    trained = {"members": 2, "hidden": (4,), "epochs": 2, "batch_size": 4, "learning_rate": 0.01, "holdout": 0.0}
    godiff: dict[str, Any] = {
        **{"samples": 2, "steps": 2, "batch_size": 2, "buffer": 4, "draw": 2, "attempts": 2, "learning_rate": 0.01},
        **{"force_weight": None, "decay": 0.9, "guidance": True, "relaxation": searchers.SurrogateRelaxation()},
        **{"renoising": searchers.Renoising(), "kt": diffusion.ExponentialKT(), "sampler": diffusion.EulerMaruyama()},
        **{"network": searchers.NetworkSettings(), "start": None, "trainer": TrainerSettings()},
    }
    inverse: dict[str, Any] = {
        **{
            "batch_size": 2,
            "search_by": "gradient",
            "levels": 3,
            "chunk": 64,
            "starts": 4,
            "kappa": 0.5,
            "spacing": 0.1,
        },
        **{"least": 3, "repeats": False, "training": surrogates.Training(), "widening": None},
    }
    table: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "Variable": (
            spaces.Variable,
            {"name": "a", "low": 0, "high": 1, "unit": "%", "hardware": (0, 2), "periodic": False},
        ),
        "LinearConstraint": (spaces.LinearConstraint, {"coefficients": {"a": 1.0}, "lower": 0.0, "upper": 1.0}),
        "Box": (spaces.Box, {"variables": plain.variables, "constraints": plain.constraints}),
        "Adlayer": (spaces.Adlayer, {"template": layer.template, "free": "Pt2", "z": (1.0, 4.0)}),
        "AtomChart": (spaces.AtomChart, {"space": platinum.platinum_adatom().space}),
        "RecipeProblem": (
            problems.RecipeProblem,
            {
                "space": plain,
                "oracle": value_of,
                "objective": None,
                "name": "p",
                "success_below": 0.1,
                "axes": ("a", "b"),
            }
            | {"measured_at": None},
        ),
        "StructureProblem": (
            problems.StructureProblem,
            {"space": layer, "calculator": EMT, "success": motifs.Heptamer(), "name": "p", "relaxed_success": None},
        ),
        "SpectralMatch": (problems.SpectralMatch, {"wavelengths": WAVES, "target": np.arange(9.0)}),
        "ColourMatch": (problems.ColourMatch, {"wavelengths": WAVES, "target": "#3a5fcd", "scale": 100.0}),
        "laboratory": (
            laboratory.laboratory,
            {"name": "lab", "variables": variables, "constraints": rules, "target": None, "success_below": None},
        ),
        "silver": (silver_problems.silver, {"droplets": 2, "success_below": 0.2}),
        "gold_nanorods": (gold_problems.gold_nanorods, {"droplets": 2, "success_below": 0.2}),
        "silver_colour": (silver_problems.silver_colour, {"color": "#3a5fcd", "droplets": 2, "success_below": 0.2}),
        "silver_measured": (silver_problems.silver_measured, {"data": "x.csv", "replicates": 2, "success_below": 0.2}),
        "silver_space": (silver_problems.silver_space, {"hardware": True}),
        "SilverLaboratory": (silver.SilverLaboratory, jitter),
        "GoldLaboratory": (gold.GoldLaboratory, jitter | {"kinetics": gold.GoldKinetics()}),
        "GoldKinetics": (gold.GoldKinetics, {"seed_density": 5.0, "best_share": 0.9, "longest": 3.7}),
        "SilverKinetics": (silver.SilverKinetics, {"seed_density": 13.6, "flatness": 0.4, "pva_affinity": 88.0}),
        "MeasuredDroplets.read": (measured.MeasuredDroplets.read, {"data": "x.csv"}),
        "platinum_adatom": (platinum.platinum_adatom, emt),
        "platinum_heptamer": (platinum.platinum_heptamer, emt),
        "InStepHollow": (platinum.InStepHollow, {"reach": 3.0}),
        "StepHollowEnergy": (platinum.StepHollowEnergy, {"space": layer, "tolerance": 0.1, **emt}),
        "Relaxation": (motifs.Relaxation, {"optimizer": "BFGS", "fmax": 0.05, "max_steps": 3}),
        "Heptamer": (motifs.Heptamer, dict.fromkeys(("factor",), 1.1)),
        "Island": (motifs.Island, {"known": known, "factor": 1.1}),
        "AsLowAs": (motifs.AsLowAs, {"known": known, "relaxation": motifs.Relaxation(), "tolerance": 0.1, **emt}),
        "AfterRelaxation": (
            motifs.AfterRelaxation,
            {"recognition": motifs.Heptamer(), "relaxation": None, "before": None, **emt},
        ),
        "BatchedEMT": (BatchedEMT, {}),
        "MACE": (MACE, {"model": "x.model", "device": "cpu", "dtype": "float32", "batch_size": None, "head": None}),
        "RandomSearcher": (searchers.RandomSearcher, {"batch_size": 2}),
        "LatinHypercube": (searchers.LatinHypercube, {"batch_size": 2}),
        "BayesianSearcher": (
            searchers.BayesianSearcher,
            {
                "batch_size": 2,
                "acquisition": "qlogei",
                "kernel": "ard",
                "repeats": False,
                "widening": searchers.Widening(),
            },
        ),
        "NetworkSearcher": (searchers.NetworkSearcher, inverse),
        "GODiffSearcher": (searchers.GODiffSearcher, godiff),
        "RandomStructureSearch": (
            RandomStructureSearch,
            {"concurrent": 2, "placement": "uniform", "optimizer": "BFGS", "fmax": 0.05, "most_steps": 5},
        ),
        "TwoStepSearcher": (
            searchers.TwoStepSearcher,
            {"batch_size": 2, "schedule": (searchers.Stage(1, ("lhs",)),), "side_by_side": "split"}
            | {"bayesian": searchers.BayesianSearcher(), "network": searchers.NetworkSearcher()},
        ),
        "Stage": (searchers.Stage, {"first_batch": 1, "proposers": ("lhs",)}),
        "Widening": (searchers.Widening, {"share": 0.3, "margin": 0.02, "beside": 0.1, "step": 0.25}),
        "Guidance": (searchers.Guidance, {"alpha": 0.01, "zeta": 2.0}),
        "Renoising": (searchers.Renoising, {"share": 0.5, "time": 0.5}),
        "SurrogateRelaxation": (searchers.SurrogateRelaxation, {"steps": 3, "longest": 0.2}),
        "NetworkSettings": (
            searchers.NetworkSettings,
            {"representation": "full", "blocks": 1, "features": 4, "cutoff": 4.0, "gaussians": 4, "walls": "reflected"},
        ),
        "Training": (surrogates.Training, trained | {"rows": "means", "patience": 0, "trainer": TrainerSettings()}),
        "TrainerSettings": (
            TrainerSettings,
            {"accelerator": "cpu", "devices": 1, "nodes": 1, "strategy": "auto", "precision": "32-true"},
        ),
        "SpectrumNet": (
            surrogates.SpectrumNet,
            {"space": plain, "wavelengths": WAVES, "members": 2, "hidden": (4,), "cosine_weight": 0.1, "seed": 0},
        ),
        "MLPScore": (
            recipe_score.MLPScore,
            {"manifold": manifold(), "sigma_range": (0.01, 1.0), "hidden": (4,), "seed": 0},
        ),
        "PaiNN": (painn.PaiNN, network),
        "TemplateScore": (atomic_score.TemplateScore, network | {"seed": 0}),
        "FullScore": (atomic_score.FullScore, network | {"seed": 0}),
        "ScoreMatching": (
            score_matching.ScoreMatching,
            {"network": score_net(), "learning_rate": 0.1, "force_weight": 1.0, "force_scale": 1.0, "decay": 0.9},
        ),
        "GaussianProcess.fit": (GaussianProcess.fit, fit | {"seed": 0}),
        "SpectraDataModule": (
            surrogates.SpectraDataModule,
            spectra | {"batch_size": 2, "holdout": 0.0, "bootstrap": False},
        ),
        "ReplayBuffer": (replay_data.ReplayBuffer, {"capacity": 4, "seed": 0}),
        "ReplayDataModule": (replay_data.ReplayDataModule, replay | {"steps": 2, "batch_size": 2, "seed": 0}),
        "AtomicSystem": (graphs.AtomicSystem, system),
        "LinearSchedule": (diffusion.LinearSchedule, schedule),
        "GeometricSchedule": (diffusion.GeometricSchedule, schedule),
        "EulerMaruyama": (diffusion.EulerMaruyama, sampler | {"noise_scale": 1.0}),
        "Heun": (diffusion.Heun, sampler | {"churn": 0.0}),
        "PredictorCorrector": (diffusion.PredictorCorrector, sampler | {"langevin_steps": 1, "ratio": 0.1}),
        "ExponentialKT": (diffusion.ExponentialKT, {"high": 5.0, "low": 0.02}),
        "AdaptiveKT": (diffusion.AdaptiveKT, {"high": 5.0, "low": 0.02, "fraction": 0.5}),
        "BoxManifold": (diffusion.BoxManifold, {"low": (0.0, 0.0), "high": (1.0, 1.0), "periodic": (False, True)}),
        "PeriodicSlab": (diffusion.PeriodicSlab, slab | {"walls": "reflected"}),
        "Lattice": (diffusion.Lattice, {"vectors": ((1.0, 0.0), (0.0, 1.0))}),
        "boltzmann_log_weights": (diffusion.boltzmann_log_weights, energies | {"kt": 0.1}),
        "LossLevel": (stopping.LossLevel, {"below": 0.1}),
        "MapStability": (stopping.MapStability, {"model": "gp", "at_least": 0.9, "batches": 2}),
        "Accuracy": (stopping.Accuracy, {"cosine": 0.9, "mse": 0.1, "batches": 1}),
        "SerialExecutor": (evaluation.SerialExecutor, {"timeout_s": None}),
        "ThreadExecutor": (evaluation.ThreadExecutor, {"workers": 2, "timeout_s": None}),
        "ProcessExecutor": (evaluation.ProcessExecutor, {"workers": 2, "timeout_s": 5.0}),
        "DaskExecutor": (evaluation.DaskExecutor, {"workers": 2, "timeout_s": 5.0, "address": None}),
        "BatchExecutor": (evaluation.BatchExecutor, {"size": 4}),
        "Ledger": (evaluation.Ledger, {"location": None}),
        "CSVTracking": (tracking.CSVTracking, tracked),
        "TensorBoardTracking": (tracking.TensorBoardTracking, tracked),
        "WandbTracking": (WandbTracking, tracked | {"project": "p", "entity": None, "tags": ("a",)}),
        "Calculators.lent": (partial(calculators.calculator_factory, "value"), {"value": EMT}),
        "Campaign": (
            Campaign,
            {"problem": recipe_problem(), "searcher": searchers.RandomSearcher(2), "ledger": None, "seed": 0}
            | {
                "executor": evaluation.SerialExecutor(),
                "stop": (stopping.LossLevel(),),
                "opening": 2,
                "tracking": None,
            },
        ),
        "Campaign.run": (
            # Without an oracle: a callback that raises is its owner's affair.
            lambda **more: Campaign(problems.RecipeProblem(box()), searchers.RandomSearcher(2)).run(**more),
            {"budget": 2, "on_evaluation": None},
        ),
        "Campaign.ask": (lambda **more: Campaign(recipe_problem(), searchers.RandomSearcher(2)).ask(**more), {"n": 2}),
        "Comparison": (Comparison, {"overrides": ["problem=silver"]}),
    }
    return {name: (call, partial(dict, settings)) for name, (call, settings) in table.items()}


@dataclass
class Tally:
    """What came of the tries."""

    outcomes: Counter[str] = field(default_factory=Counter)
    defects: list[dict[str, str]] = field(default_factory=list)

    def note(self, outcome: str, what: str = "", error: BaseException | None = None) -> None:
        """Count an outcome; a defect is kept with its traceback's end."""
        self.outcomes[outcome] += 1
        if error is not None:
            where = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__}: {error}"[:300].encode("utf-8", "replace").decode()
            what = what.encode("utf-8", "replace").decode()
            place = f"{os.path.relpath(where.filename)}:{where.lineno}"
            found = {"outcome": outcome, "what": what[:500], "error": told, "where": place}
            self.defects.append(found)


def ours(error: BaseException, names: Iterable[str] = ("",)) -> bool:
    """Whether an error is matseek's own refusal.

    It is one of matseek's classes, or a ``ValueError``, ``TypeError``, ``ImportError`` or ``FileNotFoundError`` that a
    line of matseek itself raises; and its message names a setting. What a constructor raised through Hydra
    must be so, too.

    Args:
        error: What was raised.
        names: Names of settings, one of which the message must hold.
    """
    through = error.__cause__
    if isinstance(through, InstantiationException) and through.__cause__ is not None and not _unfit(through.__cause__):
        return ours(through.__cause__)
    if len(str(error)) < SHORTEST or not any(name in str(error) for name in names):
        return False
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    kinds = (ValueError, TypeError, ImportError, FileNotFoundError)
    return isinstance(error, MatseekError) or (isinstance(error, kinds) and where.startswith(SOURCE))


def _unfit(error: BaseException) -> bool:
    """Whether arguments did not fit the signature of what Hydra called, or it does not exist."""
    where = traceback.extract_tb(error.__traceback__)[-1].filename
    return isinstance(error, (TypeError, ImportError)) and "hydra" in Path(where).parts


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """End what takes too long by :class:`Hang`."""

    def late(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- a signal handler's
        raise Hang(f"no end within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    # What holds the interpreter cannot be ended by a signal: the process ends with a traceback.
    faulthandler.dump_traceback_later(4 * seconds, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()


def told(settings: Mapping[str, Any]) -> str:
    """Settings in words, as far as they can be shown."""
    parts = []
    for name, value in settings.items():
        try:
            parts.append(f"{name}={value!r}"[:120])
        except Exception:
            parts.append(f"{name}=<{type(value).__name__}>")
    return ", ".join(parts)


def fuzz_constructors(count: int, seed: str) -> Tally:
    """Call constructors with one to three hostile settings each."""
    rng, tally, table = random.Random(seed), Tally(), examples()
    names = sorted(table)
    nested = [
        partial(call, **make()) for name, (call, make) in table.items() if name not in ("Comparison", "Campaign.run")
    ]
    for number in range(count):
        name = names[number % len(names)]
        call, make = table[name]
        settings, values = make(), hostile()
        changed = rng.sample(sorted(settings), min(len(settings), rng.choice((1, 1, 1, 2, 3))))
        for key in changed:
            if rng.random() < 0.15:  # an object of another kind in its place
                try:
                    settings[key] = rng.choice(nested)()
                except Exception:
                    settings[key] = None
            else:
                settings[key] = rng.choice(values)
        what = f"{name}({told({key: settings[key] for key in changed})})"
        try:
            with in_time(PATIENCE_S):
                call(**settings)
            tally.note("accepted")
        except Hang as error:
            tally.note("hang", what, error)
        except BaseException as error:
            if ours(error, [*settings, ALIASES.get(name, name)]):
                tally.note("refused")
            else:
                tally.note("raw error", what, error)
    return tally


class Counting:
    """An executor that counts what it pays for."""

    def __init__(self, executor: Any) -> None:  # noqa: ANN401 -- any executor
        self.executor, self.paid = executor, 0

    @contextmanager
    def opened(self) -> Iterator[Counting]:
        """Itself, with the executor opened."""
        with self.executor.opened() as caller:
            self.executor = caller
            yield self

    def outcomes(self, calls: Any, go_on: Any) -> Iterator[Any]:  # noqa: ANN401 -- an executor's
        """Those of the executor."""
        for found in self.executor.outcomes(calls, go_on):
            self.paid += 1
            yield found


LITERALS = (
    *(
        "null",
        "true",
        "nan",
        "inf",
        "-inf",
        "-1",
        "0",
        "1",
        "2",
        "1.5",
        "-0.5",
        "1e-300",
        "1e300",
        "1000000000",
        "1" + "0" * 30,
    ),
    *(
        "abc",
        "''",
        "' '",
        "'12'",
        "'nan'",
        "auto",
        '"a\\nb"',
        "[]",
        "[null]",
        "[0]",
        "[1,2]",
        "[a,a]",
        "[[1,2],[3]]",
        "{}",
    ),
    *(
        "{a:1}",
        "{a:{b:1}}",
        "{a:[1]}",
        "???",
        "${nope}",
        "${seed}",
        "${searcher}",
        "'${oc.env:NOPE}'",
        "'../../x'",
        "1,2",
    ),
    *(
        "{_target_:matseek.searchers.Widening}",
        "{_target_:matseek.searchers.LatinHypercube,batch_size:0}",
        "",
        "range(3)",
    ),
)
"""Values in Hydra's syntax."""

SMALL = {
    "two_step": ["searcher.network.training.epochs=2", "searcher.network.training.members=2", "searcher.batch_size=3"],
    "network": [
        "searcher.training.epochs=2",
        "searcher.training.members=2",
        "searcher.batch_size=3",
        "searcher.least=3",
        "searcher.structures.surrogate.steps=2",
        "searcher.structures.surrogate.features=4",
        "searcher.structures.search.candidates=4",
        "searcher.structures.search.generations=1",
        "searcher.structures.search.relaxation.steps=2",
    ],
    "godiff": [
        "searcher.steps=2",
        "searcher.samples=3",
        "searcher.draw=3",
        "searcher.sampler.steps=3",
        "searcher.network.features=8",
    ],
    "rss": ["searcher.concurrent=2"],
    "basin_hopping": ["searcher.concurrent=2"],
    "minima_hopping": ["searcher.concurrent=2"],
    "genetic": ["searcher.concurrent=2", "searcher.population=2"],
    "": ["searcher.batch_size=3"],
}
"""What makes a searcher quick, by the beginning of its name."""

RECIPES, STRUCTURES = ("silver", "silver_colour", "laboratory"), ("platinum_adatom", "platinum_tetramer")
OF_RECIPES = ("random", "lhs", "bayesian", "bayesian_qlogei", "network", "two_step", "godiff")
OF_STRUCTURES = ("random", "rss", "basin_hopping", "minima_hopping", "genetic", "network", "godiff", "godiff_ffg")
MISTAKES = (
    "searcher",
    "problem",
    "evaluator",
    "trainer",
    "stop",
    "logger",
    "calculator",
    "nothing",
    "searcher.nothing",
)
BUDGET = 8

TRIES_OF_ONE = 20
"""Hostile configurations for each that works."""


def working(rng: random.Random) -> tuple[list[str], list[str]]:
    """Overrides of a configuration that works, and the keys that it has.

    Raises:
        MatseekError: If it does not work: then every refusal would be the same one, and the fuzz in vain.
    """
    structures = rng.random() < 0.4
    problem = rng.choice(STRUCTURES if structures else RECIPES)
    searcher = rng.choice(OF_STRUCTURES if structures else OF_RECIPES)
    stops = ["none", "watch", "solved"]
    if searcher in ("network", "two_step") and not structures and problem != "laboratory":
        stops.append("paper")
    small = next(more for begin, more in SMALL.items() if searcher.startswith(begin))
    base = [
        *(f"problem={problem}", f"searcher={searcher}", f"budget={BUDGET}", *small),
        *(f"stop={rng.choice(stops)}", f"logger={rng.choice(('none', 'csv', 'wandb'))}"),
        f"evaluator={rng.choice(('serial', 'threads', 'batched') if structures else ('serial', 'threads'))}",
    ]
    if structures:
        base.append("calculator=batched_emt")
    if problem in ("silver", "silver_colour"):
        base.append("problem.droplets=2")
    Start(base).campaign()
    return base, _keys(base)


def hostile_overrides(rng: random.Random, keys: Sequence[str]) -> list[str]:
    """One to three overrides in Hydra's syntax that hardly any configuration can use."""
    changed = [rng.choice(keys if rng.random() < 0.9 else MISTAKES) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    signs = ("", "", "", "", "", "", "++", "+", "~")
    return [f"{rng.choice(signs)}{key}={rng.choice(LITERALS)}" for key in changed]


def _keys(overrides: list[str]) -> list[str]:
    """Every key of a composed config, dotted, inner ones too."""

    def walk(node: DictConfig, prefix: str) -> Iterator[str]:
        for key in node:
            yield f"{prefix}{key}"
            if isinstance(node[key], DictConfig):
                yield from walk(node[key], f"{prefix}{key}.")

    return [key for key in walk(run_settings(overrides).config, "") if not key.endswith("_target_")]


@dataclass
class Start:
    """A configuration on its way to a campaign; what it has paid for is known wherever it ends."""

    overrides: list[str]
    counting: Counting | None = None

    @property
    def paid(self) -> int:
        """Evaluations."""
        return 0 if self.counting is None else self.counting.paid

    def campaign(self) -> tuple[Campaign, int | None]:
        """The campaign, with all that is checked before it runs, and the budget; None where people measure."""
        settings = run_settings(self.overrides)
        settings.searcher.check(settings.budget)
        settings.searcher.check_problem(settings.problem)
        runs = getattr(settings.problem, "oracle", True) is not None
        if runs:
            settings.problem.require_oracle()
        self.counting = Counting(settings.executor)
        campaign = Campaign(
            settings.problem,
            settings.searcher,
            seed=settings.seed,
            executor=self.counting,
            stop=settings.stop,
            opening=settings.opening,
        )
        return campaign, min(settings.budget, BUDGET) if runs else None


def fuzz_configurations(count: int, seed: str, run: float) -> Tally:
    """Compose configs with one to three hostile overrides each; run a share of the accepted for a few evaluations."""
    rng, tally = random.Random(seed), Tally()
    bases = [working(rng) for _ in range(max(count // TRIES_OF_ONE, 1))]
    for _ in range(count):
        base, keys = rng.choice(bases)
        changed = hostile_overrides(rng, keys)
        start, started = Start([*base, *changed]), False
        what = " ".join(start.overrides)
        try:
            with in_time(PATIENCE_S):
                campaign, budget = start.campaign()
            if budget is not None and rng.random() < run:
                started = True
                with in_time(PATIENCE_S):
                    campaign.run(budget)
            tally.note("accepted and run" if started else "accepted")
        except Hang as error:
            large = any(huge in text for text in changed for huge in ("000000", "1e300"))
            if started and large:
                tally.note("accepted and long")  # a large number of steps was asked for
            else:
                tally.note("hang", what, error)
        except BaseException as error:
            if start.paid:
                tally.note("failed after it was paid", what, error)
            elif ours(error):
                tally.note("refused before paid")
            else:
                tally.note("raw error", what, error)
    return tally


def chunk(kind: str, count: int, seed: str, run: float) -> Tally:
    """Some tries in a process of their own, which gives back what it was lent of the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.environ["WANDB_MODE"] = "disabled"
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder, "so", "deep", "that", "no", "relative", "path", "leaves", "it")
        here.mkdir(parents=True)
        os.chdir(here)  # what is accepted may write
        return fuzz_constructors(count, seed) if kind == "constructors" else fuzz_configurations(count, seed, run)


def main(arguments: list[str] | None = None) -> int:
    """Run both, write the counts; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--constructors", type=int, default=10_000)
    parser.add_argument("--configurations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=float, default=0.3, help="share of the accepted configurations that are run")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--dry", action="store_true", help="print the defects, and write nothing")
    given = parser.parse_args(arguments)
    found = {"constructors": Tally(), "configurations": Tally()}
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        chunks = {}
        for kind, count in (("constructors", given.constructors), ("configurations", given.configurations)):
            for begun in range(0, count, CHUNK):
                seed = f"{given.seed}, {kind}, {begun}"
                chunks[pool.submit(chunk, kind, min(CHUNK, count - begun), seed, given.run)] = kind
        for done in as_completed(chunks):
            tally, kind = done.result(), chunks[done]
            found[kind].outcomes += tally.outcomes
            found[kind].defects += tally.defects
            print(f"{kind}: {dict(found[kind].outcomes)}", flush=True)
            for defect in tally.defects:
                print("  ", defect, flush=True)
    content = {
        kind: {"tries": sum(tally.outcomes.values()), "outcomes": dict(tally.outcomes), "defects": tally.defects}
        for kind, tally in found.items()
    }
    if not given.dry:
        head = {
            "command": ".venv/bin/python -m benchmarks.fuzz",
            "goal": "10,000 tries of each kind: 0 raw errors, 0 hangs, 0 paid by what is refused",
        }
        write("fuzz", {**head, "seed": given.seed, "share_run": given.run, **content})
    return int(any(tally.defects for tally in found.values()))


if __name__ == "__main__":
    sys.exit(main())
