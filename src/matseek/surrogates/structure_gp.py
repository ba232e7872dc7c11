"""A Gaussian process of the energy of structures, on a descriptor, with forces as derivative observations."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import gpytorch
import numpy as np
import numpy.typing as npt
import torch
from botorch.models.gpytorch import GPyTorchModel
from botorch.optim.fit import fit_gpytorch_mll_scipy
from gpytorch.distributions import MultivariateNormal
from gpytorch.kernels import ScaleKernel
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood
from gpytorch.mlls import ExactMarginalLogLikelihood
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from torch import Tensor

from matseek.checks import check, flag, of, one_of, real, whole
from matseek.core.history import History
from matseek.core.space import StructureSpace
from matseek.core.surface import EnergySurface, SurfacePrediction, SurfaceSurrogate
from matseek.core.surrogate import Look
from matseek.descriptors import Descriptor, Fingerprint, PreparedDescriptor, Repulsion
from matseek.descriptors.repulsion import PreparedRepulsion
from matseek.surrogates.devices import DEVICES, Device, device_of, learning_on, require_device
from matseek.surrogates.directional import SMOOTHNESS, DirectionalKernel, Smoothness, radial
from matseek.surrogates.gp import quiet_numerics, representative
from matseek.surrogates.structure_data import (
    Targets,
    known_forces,
    median_distance,
    reason_to_wait,
    require_structures,
    targets,
)

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]

_LEARNT_ROWS = 320
"""Observations that hyperparameters are learnt from, at most: energies first, then forces of the best."""

_STEPS = 40
"""Steps of the likelihood's ascent."""

_SCALES = 3.0
"""Typical length scale, in median distances of the descriptors."""

_JITTER = 1e-9
"""Least number that is added to the diagonal of a covariance."""

_LEARNT_JITTER = 1e-7
"""The same while hyperparameters are learnt, which visits covariances that are nearly singular."""


@dataclass(frozen=True)
class StructureGP(SurfaceSurrogate):
    """A Gaussian process with a Matern-5/2 or squared exponential kernel on a descriptor.

    Rasmussen and Williams (2006); on global fingerprints with a repulsive prior, Bisbo and Hammer, Phys. Rev. Lett.
    124, 086102 (2020). Length scales (one per group of the descriptor's components), amplitude and mean maximise the
    marginal likelihood, anew whenever it is fitted. Energies far above the low ones are compressed by a logarithm, and
    forces with them, so that one overlap does not hide the differences between good structures.

    Args:
        descriptor: What the kernel compares.
        kernel: ``matern`` or ``rbf``.
        forces: Whether forces are learnt as well, as derivatives.
        repulsion: The prior's mean besides a constant.
        energy_noise: Standard deviation of the noise of energies, in standard deviations of the energies.
        force_noise: Of forces, in standard deviations of the energies per angstrom.
        most_rows: Observations that it is conditioned on, at most: energies first, then forces of the best structures.
        device: Where hyperparameters are learnt and the covariance is inverted: ``cpu``, ``cuda``, or ``auto`` for a
            GPU where there is one. Descriptors and predictions are on the CPU.

    Raises:
        ValueError: If a setting is out of its range.
    """

    name: ClassVar[str] = "structure_gp"
    label: ClassVar[str] = "structure GP"
    look: ClassVar[Look | None] = ("#0072B2", "s")
    descriptor: Descriptor = field(default_factory=Fingerprint)
    kernel: Smoothness = "matern"
    forces: bool = True
    repulsion: Repulsion = field(default_factory=Repulsion)
    energy_noise: float = 0.003
    force_noise: float = 0.02
    most_rows: int = 2000
    device: Device = "cpu"

    def __post_init__(self) -> None:
        check(
            self,
            descriptor=of(Descriptor, "a descriptor, such as Fingerprint()"),
            kernel=one_of(SMOOTHNESS),
            forces=flag,
            repulsion=of(Repulsion),
            energy_noise=real(above=0, high=1, unit="standard deviations"),
            force_noise=real(above=0, high=10, unit="standard deviations per angstrom"),
            most_rows=whole(10, 20_000),
            device=one_of(DEVICES),
        )

    def check_machine(self) -> None:
        """Refuse a GPU that is not there."""
        require_device("structures.surrogate.device", self.device)

    def reason_to_wait(self, history: History) -> str | None:
        """Points that are no structures, or fewer than two different energies."""
        return reason_to_wait(history)

    def fit(self, history: History) -> StructureSurface:
        """Of every structure that has an energy; of too many, of the best ones and others that cover the space.

        Raises:
            ValueError: If there are fewer than two different energies, or the points are no structures.
        """
        space = require_structures(self.label, history)
        described = self.descriptor.prepare(space)
        repulsion = self.repulsion.prepare(space)
        points, energies = history.points, history.values
        values = described.values(points)
        kept = representative(values, energies, self.most_rows)
        forces = known_forces(history, space)[kept] if self.forces else np.full((len(kept), space.dim), np.nan)
        learnt = targets(points[kept], energies[kept], forces, repulsion)
        return self._fitted(space, described, repulsion, _Observations(points[kept], values[kept], learnt))

    def _fitted(
        self, space: StructureSpace, described: PreparedDescriptor, repulsion: PreparedRepulsion, seen: _Observations
    ) -> StructureSurface:
        order = np.argsort(seen.targets.energies, kind="stable")
        with_forces = order[np.isfinite(seen.targets.gradients[order]).all(axis=1)]

        def rows(energies: npt.NDArray[np.intp], most: int) -> _Rows:
            room = max(most - len(energies), 0) // max(space.dim, 1)
            chosen = np.sort(with_forces[:room])
            return _rows(described, seen, energies, chosen, (self.energy_noise, self.force_noise))

        learnt = rows(np.sort(order[: _LEARNT_ROWS // 2]), _LEARNT_ROWS)
        typical = _typical_scales(seen.values, described.groups)
        device = device_of(self.device)
        model = _learnt_model(learnt, torch.as_tensor(described.groups), self.kernel, typical, device)
        everything = rows(np.arange(len(order)), self.most_rows)
        return StructureSurface(
            space, described, repulsion, seen.targets.strength, model, everything, seen.targets.scale, device
        )


class _Observations(NamedTuple):
    """What is learnt, n structures.

    Attributes:
        points: Shape ``(n, 3a)``.
        values: Descriptors, shape ``(n, D)``.
        targets: Energies and their gradients, as they are learnt.
    """

    points: FloatArray
    values: FloatArray
    targets: Targets


class _Rows(NamedTuple):
    """Observations as rows of :class:`DirectionalKernel`: inputs ``(N, 2D + 1)``, targets and noise ``(N,)``."""

    inputs: FloatArray
    targets: FloatArray
    noise: FloatArray


def _rows(
    described: PreparedDescriptor,
    seen: _Observations,
    energies: npt.NDArray[np.intp],
    forces: npt.NDArray[np.intp],
    noise: tuple[float, float],
) -> _Rows:
    size, dim = described.dim, seen.points.shape[1]
    of_energies = np.zeros((len(energies), 2 * size + 1))
    of_energies[:, :size] = seen.values[energies]
    of_forces = np.ones((len(forces), dim, 2 * size + 1))
    if len(forces):
        of_forces[:, :, :size] = seen.values[forces][:, None]
        of_forces[:, :, size:-1] = described.jacobians(seen.points[forces]).transpose(0, 2, 1)
    targets = (
        np.concatenate([seen.targets.energies[energies], seen.targets.gradients[forces].ravel()]) / seen.targets.scale
    )
    sizes = (len(energies), len(forces) * dim)
    return _Rows(
        np.concatenate([of_energies, of_forces.reshape(-1, 2 * size + 1)]),
        targets,
        np.repeat(np.square(noise), sizes),
    )


def _typical_scales(values: FloatArray, groups: npt.NDArray[np.int64]) -> Tensor:
    """Multiples of the median distance of the observed descriptors, shape ``(groups,)``."""
    return torch.full((int(groups.max()) + 1,), _SCALES * median_distance(values), dtype=torch.float64)


class _Mean(gpytorch.means.Mean):  # type: ignore[misc]
    """A constant for values, zero for derivatives."""

    def __init__(self, constant: float) -> None:
        super().__init__()
        self.register_parameter("constant", torch.nn.Parameter(torch.tensor(constant, dtype=torch.float64)))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.constant * (x[..., -1] < 0.5).to(x)
        return result


class _Model(gpytorch.models.ExactGP, GPyTorchModel):  # type: ignore[misc]
    """The process over rows of values and derivatives."""

    _num_outputs = 1

    def __init__(self, rows: _Rows, kernel: DirectionalKernel) -> None:
        inputs, targets = torch.as_tensor(rows.inputs), torch.as_tensor(rows.targets)
        super().__init__(inputs, targets, FixedNoiseGaussianLikelihood(torch.as_tensor(rows.noise)))
        values = targets[inputs[:, -1] < 0.5]
        self.mean_module = _Mean(float(values.mean()))
        self.covar_module = ScaleKernel(kernel)
        self.covar_module.initialize(outputscale=torch.tensor(4.0, dtype=torch.float64))
        self.double()

    def forward(self, x: Tensor) -> MultivariateNormal:
        return MultivariateNormal(self.mean_module(x), self.covar_module(x))


def _learnt_model(rows: _Rows, groups: Tensor, kernel: Smoothness, typical: Tensor, device: torch.device) -> _Model:
    """A process whose hyperparameters maximise the marginal likelihood; the initial ones where that fails."""
    model = _Model(rows, DirectionalKernel(groups, kernel, typical))
    start = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    exact = gpytorch.settings.fast_computations(False, False, False)
    jitter = gpytorch.settings.cholesky_jitter(double_value=_LEARNT_JITTER)
    with quiet_numerics(), exact, jitter, learning_on(model, device):
        try:
            fit_gpytorch_mll_scipy(ExactMarginalLogLikelihood(model.likelihood, model), options={"maxiter": _STEPS})
        except (RuntimeError, ValueError, ArithmeticError) as error:
            logger.warning("the structure GP keeps its initial hyperparameters: %s", error)
            model.load_state_dict(start)
    if not all(torch.isfinite(p).all() for p in model.parameters()):
        model.load_state_dict(start)
    return model.eval()


class StructureSurface(EnergySurface):
    """A fitted structure GP.

    The covariance of the observations is solved once; what a structure then needs are two products of matrices.

    Args:
        space: Free atoms and template.
        described: The descriptor in this space.
        repulsion: The prior's repulsion in this space.
        strength: Of the repulsion, in eV.
        model: The process with its hyperparameters.
        rows: What it is conditioned on.
        scale: Standard deviation of the energies, in eV, that targets are divided by.
        device: Where the covariance is inverted.
    """

    def __init__(
        self,
        space: StructureSpace,
        described: PreparedDescriptor,
        repulsion: PreparedRepulsion,
        strength: float,
        model: _Model,
        rows: _Rows,
        scale: float,
        device: torch.device,
    ) -> None:
        self._space, self._described, self._repulsion, self._strength = space, described, repulsion, strength
        kernel: Any = model.covar_module.base_kernel
        self._smoothness: Smoothness = kernel.smoothness
        size = described.dim
        with torch.no_grad():
            with learning_on(kernel, device):
                covariance = kernel(torch.as_tensor(rows.inputs).to(device)).to_dense()
            amplitude = float(model.covar_module.outputscale)
            constant = float(model.mean_module.constant)
            self._weights = kernel.weights().numpy()
        self._constant, self._scale = constant, scale
        self._amplitude = scale * float(np.sqrt(amplitude))
        is_value = rows.inputs[:, -1] < 0.5
        self._values = np.ascontiguousarray(rows.inputs[:, :size] * self._weights)
        self._directions = np.ascontiguousarray(rows.inputs[:, size:-1] * self._weights)
        self._along = (self._values * self._directions).sum(axis=1)
        self._squares = (self._values * self._values).sum(axis=1)
        self._is_value = is_value
        solved = _solve(covariance, rows.noise / amplitude)
        self._inverse = solved
        self._alpha = solved @ (rows.targets - constant * is_value)

    @property
    def amplitude(self) -> float:
        """Prior standard deviation of an energy, in eV."""
        return self._amplitude

    @property
    def lengthscales(self) -> FloatArray:
        """Of each component of the descriptor, shape ``(D,)``."""
        return np.asarray(1.0 / self._weights)

    def features(self, points: npt.ArrayLike) -> FloatArray:
        """Descriptors over their length scales, shape ``(m, D)``."""
        return np.asarray(self._described.values(points) * self._weights)

    def predict(self, points: npt.ArrayLike) -> SurfacePrediction:
        """Energies of structures ``(m, 3n)``, how sure the model is of them, and the gradients of both."""
        x = self._space.as_points(points)
        features = self.features(x)
        h, h1, h2, along = self._radial(features)
        cross = np.where(self._is_value, h, -h1 * along)
        solved = cross @ self._inverse
        variance = np.maximum(1.0 - (solved * cross).sum(axis=1), 1e-10)
        deviation = np.sqrt(variance)
        by_mean = self._gradient(features, np.broadcast_to(self._alpha, cross.shape), h1, h2, along)
        by_deviation = -self._gradient(features, solved, h1, h2, along) / deviation[:, None]
        pushed, push = self._repulsion.energies(x)
        mean = self._scale * (self._constant + cross @ self._alpha) + self._strength * pushed
        # One pass over the atoms pulls both gradients back.
        both = self._described.pull_back(
            np.concatenate([x, x]),
            np.concatenate([by_mean * self._scale, by_deviation * self._amplitude]) * self._weights,
        )
        return SurfacePrediction(
            mean, self._amplitude * deviation, both[: len(x)] + self._strength * push, both[len(x) :]
        )

    def draw(self, points: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
        """One draw of the energies of structures ``(m, 3n)`` from the joint posterior, in eV, shape ``(m,)``."""
        x = self._space.as_points(points)
        features = self.features(x)
        h, h1, _, along = self._radial(features)
        cross = np.where(self._is_value, h, -h1 * along)
        squares = (features * features).sum(axis=1)
        apart = np.maximum(0.5 * (squares[:, None] + squares[None]) - features @ features.T, 0.0)
        covariance = radial(self._smoothness, apart)[0] - cross @ self._inverse @ cross.T
        values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
        noise = vectors @ (np.sqrt(np.maximum(values, 0.0)) * rng.standard_normal(len(values)))
        pushed, _ = self._repulsion.energies(x)
        mean = self._scale * (self._constant + cross @ self._alpha) + self._strength * pushed
        return np.asarray(mean + self._amplitude * noise)

    def _radial(self, features: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Of structures and observations, shape ``(m, N)`` each: h, h', h'', and ``(x - x_i) . v_i``."""
        squares = (features * features).sum(axis=1)
        apart = np.maximum(0.5 * (squares[:, None] + self._squares[None]) - features @ self._values.T, 0.0)
        h, h1, h2 = radial(self._smoothness, apart)
        return h, h1, h2, features @ self._directions.T - self._along[None]

    def _gradient(
        self, features: FloatArray, weights: FloatArray, h1: FloatArray, h2: FloatArray, along: FloatArray
    ) -> FloatArray:
        """Gradient by the features, ``(m, D)``, of the sum of covariances with observations by weights ``(m, N)``."""
        radially = weights * np.where(self._is_value, h1, -h2 * along)
        result = features * radially.sum(axis=1)[:, None] - radially @ self._values
        return np.asarray(result - np.where(self._is_value, 0.0, weights * h1) @ self._directions)


def _solve(covariance: Tensor, noise: FloatArray) -> FloatArray:
    """Inverse of a covariance with noise; jitter is raised until it is positive definite, at most to 1e-3.

    By LAPACK as SciPy has it on the CPU, whose last digits recorded searches have, and by torch on a GPU.
    """
    invert = _by_scipy if covariance.device.type == "cpu" else _by_torch
    jitter = _JITTER
    for _ in range(7):
        inverse = invert(covariance, noise + jitter)
        if inverse is not None:
            return inverse
        jitter *= 10.0
    raise ValueError(f"the covariance of {len(noise)} observations is singular; raise energy_noise or force_noise")


def _by_scipy(covariance: Tensor, noise: FloatArray) -> FloatArray | None:
    """The inverse; None where the covariance is not positive definite."""
    try:
        factor = cho_factor(covariance.numpy() + np.diag(noise), lower=True)
    except LinAlgError:
        return None
    return np.asarray(cho_solve(factor, np.eye(len(noise))))


def _by_torch(covariance: Tensor, noise: FloatArray) -> FloatArray | None:
    factor, failed = torch.linalg.cholesky_ex(covariance + torch.as_tensor(noise).to(covariance.device).diag())
    return None if bool(failed) else torch.cholesky_inverse(factor).cpu().numpy()
