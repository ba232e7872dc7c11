"""Which variable does what: Shapley values of a model's loss, or of its absorbance at every wavelength."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from matseek.core.space import BoxSpace

FloatArray = npt.NDArray[np.float64]
Function = Callable[[FloatArray], npt.ArrayLike]
"""From points ``(n, d)`` in the variables' units to numbers ``(n,)`` or ``(n, m)``."""

_MOST_EXACT = 6
"""Up to this many variables all d! orders are taken, so that the values are exact."""

_GROUPS = 8
"""Groups of baselines whose differences tell what the choice of baselines does to the averages."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """Shapley values: how far each variable moves a prediction from that of an average recipe.

    A prediction is the reference plus the sum of its values over the variables. Trailing ``m`` is there only where
    the function gives m numbers per point (a spectrum).

    Args:
        variables: Names of the variables.
        points: Points that are explained, shape ``(n, d)``, in the variables' units.
        values: Signed Shapley values, shape ``(n, d[, m])``, in the function's unit.
        reference: Mean of the function over the baselines, shape ``([m])``.
        mean_absolute: Mean over the points of the values' sizes, shape ``(d[, m])``.
        standard_error: Its standard error over points and baselines, shape ``(d[, m])``; NaN with one of either.
    """

    variables: tuple[str, ...]
    points: FloatArray
    values: FloatArray
    reference: FloatArray
    mean_absolute: FloatArray
    standard_error: FloatArray

    @property
    def direction(self) -> FloatArray:
        """Correlation of each variable's amount with its Shapley values, shape ``(d[, m])``; 0 where one is constant.

        1: more of it raises the prediction; -1: more of it lowers the prediction; near 0: it depends.
        """
        amounts = self.points - self.points.mean(axis=0)
        values = self.values - self.values.mean(axis=0)
        together = np.einsum("nd,nd...->d...", amounts, values)
        spread = np.linalg.norm(amounts, axis=0)
        sizes = np.linalg.norm(values, axis=0)
        norms = spread.reshape(-1, *[1] * (sizes.ndim - 1)) * sizes
        return np.asarray(np.divide(together, norms, out=np.zeros_like(together), where=norms > 0))

    @property
    def ranking(self) -> tuple[str, ...]:
        """Names of the variables by mean absolute value (averaged over wavelengths), the strongest first."""
        sizes = self.mean_absolute.reshape(len(self.variables), -1).mean(axis=1)
        return tuple(self.variables[k] for k in np.argsort(-sizes, kind="stable"))


def explain(
    function: Function,
    space: BoxSpace,
    *,
    points: int = 64,
    background: int = 32,
    permutations: int = 64,
    seed: int = 0,
) -> Attribution:
    """Shapley values at feasible points that fill the space, against feasible baselines that fill it too.

    Args:
        function: What is explained, see ``Function``.
        space: The recipes.
        points: Points that are explained.
        background: Baselines that are averaged over.
        permutations: Orders of the variables that are sampled where there are more than six; else all are taken.
        seed: Seed of points, baselines and orders.
    """
    rng = np.random.default_rng(seed)
    explained = space.sample_latin_hypercube(points, rng)
    baselines = space.sample_latin_hypercube(background, rng)
    return shapley_values(function, explained, baselines, names=space.names, permutations=permutations, seed=seed)


def shapley_values(
    function: Function,
    points: npt.ArrayLike,
    background: npt.ArrayLike,
    *,
    names: tuple[str, ...] | None = None,
    permutations: int = 64,
    seed: int = 0,
    chunk: int = 16384,
) -> Attribution:
    """Interventional Shapley values by captum, averaged over baselines.

    The game's worth of a set S of variables is the mean over the baselines b of the function at the point that has S
    from the explained point and the rest from b (Lundberg and Lee, NeurIPS 30 (2017); Strumbelj and Kononenko, Knowl.
    Inf. Syst. 41, 647 (2014)). captum plays it over the sets: its inputs are the indicators of the variables, its
    forward function evaluates all points and baselines at once, and a set that has been met is not evaluated again. So
    d = 5 costs 2^5 evaluations per point and baseline instead of 5 x 5!. captum adds up in single precision: values
    are good to about 1e-6 of the largest of them.

    Such mixed points can leave the feasible set (fractions that sum to more than 90 %); the function is asked there
    all the same, as for Sobol indices, because a variable's own effect cannot be resolved otherwise.

    Args:
        function: What is explained, see ``Function``; it must answer anywhere between the points' and baselines'
            coordinates.
        points: Points that are explained, shape ``(n, d)``, in the variables' units.
        background: Baselines, shape ``(b, d)``.
        names: Names of the variables; ``x0``, ``x1``, ... if there are none.
        permutations: Orders of the variables that are sampled where there are more than six; else all are taken.
        seed: Seed of the sampled orders; the global generator is left as it was.
        chunk: Most points per call of the function, which bounds its memory.

    Raises:
        ValueError: If shapes do not fit, or the function gives numbers that are not finite.
    """
    from captum.attr import ShapleyValues, ShapleyValueSampling  # a second to import, which figures need not pay

    game = _Game(function, *_checked(points, background), chunk)
    n, d = game.points.shape
    labels = tuple(names) if names is not None else tuple(f"x{k}" for k in range(d))
    if len(labels) != d:
        raise ValueError(f"names has {len(labels)} entries, but the points have {d} variables")
    everything, nothing = torch.ones(1, d, dtype=torch.float64), torch.zeros(1, d, dtype=torch.float64)
    if d <= _MOST_EXACT:
        flat = ShapleyValues(game).attribute(everything, nothing)
    else:
        with _torch_seed(seed):
            flat = ShapleyValueSampling(game).attribute(everything, nothing, n_samples=permutations)
    outputs = game.output_shape
    phi = flat.numpy().astype(np.float64).reshape(game.groups, n, *outputs, d)
    phi = np.moveaxis(phi, -1, 2)  # (groups, n, d[, m])
    shares = game.shares
    values = np.tensordot(shares, phi, axes=1)
    reference = np.tensordot(shares, game.worth(np.zeros(d, dtype=bool)), axes=1)[0]
    return Attribution(
        labels, game.points, values, np.asarray(reference), np.abs(values).mean(axis=0), _standard_error(phi, shares)
    )


def in_units(space: BoxSpace, forward: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.float64) -> Function:
    """A function of points in the variables' units from a torch function of unit coordinates.

    Args:
        space: The box whose window the unit coordinates run over.
        forward: From ``(n, d)`` to ``(n,)`` or ``(n, m)``: a network, or a GP's posterior mean.
        dtype: What the forward function takes.
    """

    def function(points: FloatArray) -> FloatArray:
        with torch.no_grad():
            answer = forward(torch.tensor(space.normalize(points), dtype=dtype))
        return answer.detach().cpu().numpy().astype(np.float64)

    return function


class _Game:
    """Worth of sets of variables for all points at once, remembered by set; captum's forward function.

    Args:
        function: What is explained.
        points: Shape ``(n, d)``.
        background: Shape ``(b, d)``.
        chunk: Most points per call.
    """

    def __init__(self, function: Function, points: FloatArray, background: FloatArray, chunk: int) -> None:
        self.function = function
        self.points = points
        self.background = background
        self.chunk = chunk
        self.groups = min(_GROUPS, len(background))
        self.members = np.array_split(np.arange(len(background)), self.groups)
        self.known: dict[bytes, FloatArray] = {}
        self.remembers = points.shape[1] <= _MOST_EXACT  # more sets than memory can hold otherwise
        self.output_shape: tuple[int, ...] = ()

    @property
    def shares(self) -> FloatArray:
        """Share of the baselines that each group has, shape ``(groups,)``."""
        return np.array([len(m) for m in self.members]) / len(self.background)

    def __call__(self, indicators: Tensor) -> Tensor:
        return torch.from_numpy(self.worth(indicators[0].numpy() > 0.5)).reshape(1, -1)

    def worth(self, chosen: npt.NDArray[np.bool_]) -> FloatArray:
        """Mean over each group of baselines, shape ``(groups, n[, m])``."""
        key = chosen.tobytes()
        if key in self.known:
            return self.known[key]
        n, d = self.points.shape
        mixed = np.where(chosen, self.points[:, None, :], self.background[None, :, :]).reshape(-1, d)
        parts = [np.asarray(self.function(mixed[k : k + self.chunk])) for k in range(0, len(mixed), self.chunk)]
        answers = np.concatenate(parts).astype(np.float64)
        if answers.ndim not in (1, 2) or len(answers) != len(mixed):
            raise ValueError(
                f"the function answered {len(mixed)} points with an array of shape {answers.shape}; "
                "it must give (n,) or (n, m) numbers"
            )
        if not np.isfinite(answers).all():
            bad = mixed[~np.isfinite(answers).reshape(len(mixed), -1).all(axis=1)][0]
            raise ValueError(
                f"the function is not finite at {bad.tolist()}; Shapley values need finite numbers everywhere"
            )
        self.output_shape = answers.shape[1:]
        answers = answers.reshape(n, len(self.background), *self.output_shape)
        worth = np.stack([answers[:, m].mean(axis=1) for m in self.members])
        if self.remembers:
            self.known[key] = worth
        return worth


def _standard_error(phi: FloatArray, shares: FloatArray) -> FloatArray:
    """Of the mean absolute value: scatter between points, and a jackknife over groups of baselines, in quadrature.

    Efron and Stein, Ann. Stat. 9, 586 (1981).

    Args:
        phi: Shape ``(groups, n, d[, m])``.
        shares: Weight of each group, shape ``(groups,)``.
    """
    groups, n = phi.shape[:2]
    if n < 2 or groups < 2:
        return np.full(phi.shape[2:], np.nan)
    total = np.tensordot(shares, phi, axes=1)
    between_points = np.abs(total).var(axis=0, ddof=1) / n
    left_out = [np.abs((total - w * p) / (1.0 - w)).mean(axis=0) for w, p in zip(shares, phi, strict=True)]
    between_baselines = (groups - 1) * np.var(left_out, axis=0)
    return np.asarray(np.sqrt(between_points + between_baselines))


@contextmanager
def _torch_seed(seed: int) -> Iterator[None]:
    """Seed torch's global generator, from which captum draws, and put it back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _checked(points: npt.ArrayLike, background: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    explained, baselines = np.array(points, dtype=np.float64), np.array(background, dtype=np.float64)
    fits = explained.ndim == baselines.ndim == 2 and explained.shape[1] == baselines.shape[1]
    if not fits or 0 in explained.shape or 0 in baselines.shape:
        raise ValueError(
            f"points have shape {explained.shape} and background {baselines.shape}; give at least one row of each, "
            "with one column per variable"
        )
    return explained, baselines
