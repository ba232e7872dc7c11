"""What should be asked about numbers that were read without doubt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from matseek.core.problem import Laboratory
from matseek.core.records import Evaluation
from matseek.results.findings import Finding, counted
from matseek.results.taken import Taken
from matseek.tables import Place

FloatArray = npt.NDArray[np.float64]

_LARGEST_ABSORBANCE = 10.0
"""More is no absorbance that an instrument measures."""

_FAR, _FAR_IN_LOGARITHMS, _ENOUGH = 20.0, 6.0, 5
"""How many robust deviations from the others make a value odd, and how many others it takes to say so."""


def strange(taken: Sequence[Taken], laboratory: Laboratory, evaluations: Iterable[Evaluation]) -> list[Finding]:
    """Values far from all others; spectra that cannot be absorbances, or most of which the objective cannot score.

    Args:
        taken: The new results.
        laboratory: The problem.
        evaluations: Evaluations of the campaign.
    """
    if laboratory.objective is None:
        return _far(taken, laboratory, evaluations)
    return [*_beyond(taken, laboratory)]


def _far(taken: Sequence[Taken], laboratory: Laboratory, evaluations: Iterable[Evaluation]) -> list[Finding]:
    told = [(float(v), t.name, p) for t in taken for v, p in zip(t.response, t.places, strict=True)]
    told = [(v, n, p) for v, n, p in told if np.isfinite(v)]
    sign = -1.0 if laboratory.maximize else 1.0
    earlier = [sign * x for e in evaluations if e.status == "done" for x in e.replicates if np.isfinite(x)]
    everything = np.array([*(v for v, _, _ in told), *earlier])
    if len(everything) <= _ENOUGH:
        return []
    far = _deviations(everything) > _FAR
    if (everything > 0).all():
        far &= _deviations(np.log(everything)) > _FAR_IN_LOGARITHMS
    middle = float(np.median(everything))
    return [
        Finding(p, f"{v:g} of {n} is far from the others, whose median is {middle:g}")
        for (v, n, p), strange in zip(told, far, strict=False)
        if strange
    ]


def _beyond(taken: Sequence[Taken], laboratory: Laboratory) -> Iterable[Finding]:
    objective = laboratory.objective
    assert objective is not None
    spectra = [(s, p) for t in taken for s, p in zip(t.response, t.places, strict=True)]
    spectra = [(s, p) for s, p in spectra if np.isfinite(s).all()]
    if not spectra:
        return
    huge = [(s, p) for s, p in spectra if np.abs(s).max() > _LARGEST_ABSORBANCE]
    if huge:
        peak = max(float(np.abs(s).max()) for s, _ in huge)
        yield Finding(
            huge[0][1],
            f"{counted(len(huge), 'spectrum', 'spectra')} of up to {peak:g} cannot be absorbances"
            f"{_others(huge)}; they may be in mAU or %T: write the unit into the heading, as in 'absorbance (mAU)'",
        )
    for fault, has in objective.faults(np.array([s for s, _ in spectra])).items():
        which = [place for (_, place), wrong in zip(spectra, has, strict=True) if wrong]
        if len(which) * 2 > len(spectra):
            yield Finding(which[0], f"{len(which)} of {len(spectra)} spectra are {fault}")


def _deviations(values: FloatArray) -> FloatArray:
    """Distances from the median in robust standard deviations."""
    middle = np.median(values)
    offset = np.abs(values - middle)
    scale = max(1.4826 * float(np.median(offset)), 1e-3 * abs(float(middle)), np.finfo(np.float64).tiny ** 0.5)
    return np.asarray(offset / scale)


def _others(found: Sequence[tuple[FloatArray, Place]]) -> str:
    rows = [str(place.row or place.column or place.file) for _, place in found[1:6]]
    return f" (also {', '.join(rows)}{', ...' if len(found) > 6 else ''})" if rows else ""
