"""Which samples are evaluated: those that a model with uncertainty chooses among many."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from matseek.acquisition import Acquisition, acquisition_of
from matseek.candidates import OnStructures
from matseek.checks import check, of, one_of, whole
from matseek.core.history import History
from matseek.core.records import Proposal
from matseek.core.searcher import ask_in_box
from matseek.core.space import Space
from matseek.core.surrogate import Surrogate
from matseek.surrogates.gp import KERNELS, KernelName, quiet_numerics
from matseek.surrogates.learning import ValueGP
from matseek.surrogates.search_state import search_state
from matseek.surrogates.structure_gp import StructureGP

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ActiveChoice:
    """Many samples are drawn for each that is evaluated, and a Gaussian process chooses among them.

    A sample costs a ten-thousandth of an evaluation. Samples are where the choice begins: structures are relaxed on the
    acquisition function together with what generators make of the best ones, recipes ascend it, and the batch is
    diverse by local penalization in the metric of the kernel. The process is fitted to everything that was evaluated
    before, so that the same history gives the same choice. As long as there is nothing to learn from, batches are
    contiguous structures, or feasible Latin hypercubes of recipes; of a trained model the first are its samples.

    Args:
        pool: Samples drawn for each that is evaluated.
        uniform: Uniform recipes that join the samples, for each that is evaluated: a network that has settled in one
            basin samples no other. Structures have their generators.
        structures: The model of the energies of structures, and how its surface is searched.
        acquisition: How a batch of recipes is chosen, as of :class:`matseek.searchers.BayesianSearcher`.
        kernel: Of recipes: ``ard`` or ``isotropic``, see :meth:`matseek.surrogates.gp.GaussianProcess.fit`.

    Raises:
        ValueError: If a setting is out of its range.
    """

    pool: int = 8
    uniform: int = 64
    structures: OnStructures = field(default_factory=lambda: OnStructures(StructureGP()))
    acquisition: str | Acquisition = "local_penalization"
    kernel: KernelName = "ard"

    def __post_init__(self) -> None:
        check(
            self,
            "active.",
            pool=whole(1, 100_000),
            uniform=whole(0, 100_000),
            structures=of(OnStructures),
            kernel=one_of(KERNELS),
        )
        acquisition_of("active.acquisition", self.acquisition)

    def surrogate(self, space: Space) -> Surrogate:
        """The model that chooses on a space."""
        return ValueGP(self.kernel) if space.as_structures() is None else self.structures.surrogate

    def informed(self, history: History) -> bool:
        """Whether the model of a history can choose."""
        return self.surrogate(history.space).reason_to_wait(history) is None

    def ask(self, n: int, history: History, proposer: str, samples: FloatArray) -> Proposal:
        """Choose n points; the same history and samples give the same points.

        Args:
            n: How many.
            history: Everything so far.
            proposer: Who is recorded to have chosen.
            samples: Of the network, shape ``(m, dim)``; m may be 0.
        """
        if history.space.as_structures() is not None:
            return self.structures.ask(n, history, proposer, samples)
        view = history.space.as_box()
        assert view is not None

        def choose(seen: History) -> Proposal:
            return self._in_box(n, seen, proposer, view.coordinates(samples) if len(samples) else samples)

        return ask_in_box(choose, history)

    def _in_box(self, n: int, history: History, proposer: str, samples: FloatArray) -> Proposal:
        window, rng = history.window, history.rng()
        gp = ValueGP(self.kernel)
        if gp.reason_to_wait(history) is not None or not len(samples):
            points = history.hypercube(n)
            return Proposal(points, ("lhs",) * len(points))
        if self.uniform:
            samples = np.concatenate([samples, window.sample_uniform(n * self.uniform, rng)])
        state = search_state(gp.fit(history), history, candidates=samples)
        acquisition = acquisition_of("active.acquisition", self.acquisition)
        with quiet_numerics():
            unit = acquisition.batch(state, n, rng).numpy()
        return Proposal(np.asarray(window.unnormalize(unit)), (proposer,) * n)
