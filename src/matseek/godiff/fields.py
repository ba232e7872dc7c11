"""What a trained model of atoms says at given places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from matseek.core.problem import Structures
from matseek.godiff.atomic_score import AtomicFields
from matseek.godiff.domains import NetworkSettings, StructureDomain

FloatArray = npt.NDArray[np.float64]


def learnt_score(
    problem: Structures,
    model: str | Path,
    points: npt.ArrayLike,
    sigma: float,
    network: NetworkSettings | None = None,
) -> FloatArray:
    """Sigma times the score that a model has learnt: which way, and how firmly, it sends each free atom.

    Args:
        problem: The problem; template and atoms may be others than the model was trained on.
        model: Name in the zoo, or path of a file such as ``ledger.safetensors``.
        points: Positions of the free atoms, shape ``(m, 3n)``, in angstrom.
        sigma: Noise level in angstrom.
        network: The model's architecture; the default one if None.

    Returns:
        Shape ``(m, n, 3)``, dimensionless.

    Raises:
        ValueError: If sigma is not positive, or points have another shape.
        ModelFileError: If the model is missing or of another architecture.
    """
    if not sigma > 0:
        raise ValueError(f"sigma={sigma} must be positive, in angstrom")
    domain = StructureDomain(problem.space, network or NetworkSettings(), seed=0, start=str(model))
    x = domain.tensor(problem.space.as_points(points)).float()
    fields = domain.network
    assert isinstance(fields, AtomicFields)
    with torch.no_grad(), fields.cached_template():
        score = fields(x, x.new_full((len(x),), sigma)).score
    return np.asarray(score.double().numpy())
