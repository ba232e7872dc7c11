"""What should be asked about numbers that were read without doubt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

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

_TIMES = 1000.0
"""How many times the median's size makes one of few values odd."""

_DAYS = (36_526.0, 73_050.0)
"""What spreadsheet programs store for days from 2000 to 2099."""

_WHOLE = 100.0
"""Per cent of which most quantities have no more."""

_CLEAR, _TOLERANCE = 0.5, 0.05
"""Least transmittance between bands, and by how much a transmittance may lie beyond 0 and 1."""


def strange(taken: Sequence[Taken], laboratory: Laboratory, evaluations: Iterable[Evaluation]) -> list[Finding]:
    """Values far from all others; spectra that cannot be absorbances, or most of which the objective cannot score.

    Args:
        taken: The new results.
        laboratory: The problem.
        evaluations: Evaluations of the campaign.
    """
    if laboratory.objective is None:
        told, known = _told(taken), _known(laboratory, evaluations)
        return [*_far(told, known), *_days(told, known), *_fractions(told, known, laboratory), *_twice(taken)]
    return [*_beyond(taken, laboratory), *_transmitted(taken, laboratory), *_twice(taken)]


_Told = list[tuple[float, str, Place]]
"""Finite values with the names of their conditions and their places."""


def _told(taken: Sequence[Taken]) -> _Told:
    told = [(float(v), t.name, p) for t in taken for v, p in zip(t.response, t.places, strict=True)]
    return [(v, name, place) for v, name, place in told if np.isfinite(v)]


def _known(laboratory: Laboratory, evaluations: Iterable[Evaluation]) -> list[float]:
    """Values that are recorded, as they were told."""
    sign = -1.0 if laboratory.maximize else 1.0
    return [float(sign * x) for e in evaluations if e.status == "done" for x in e.replicates if np.isfinite(x)]


def _far(told: _Told, known: Sequence[float]) -> list[Finding]:
    """Values far from all others."""
    everything = np.array([*(v for v, _, _ in told), *known])
    middle = float(np.median(everything)) if len(everything) else 0.0
    if len(everything) <= _ENOUGH:
        size = float(np.median(np.abs(everything))) if len(everything) > 2 else np.inf
        far = (np.abs(everything) > _TIMES * size) & (size > 0)
    else:
        far = _deviations(everything) > _FAR
        if (everything > 0).all():
            far &= _deviations(np.log(everything)) > _FAR_IN_LOGARITHMS
    return [
        Finding(p, f"{v:g} of {n} is far from the others, whose median is {middle:g}")
        for (v, n, p), strange in zip(told, far, strict=False)
        if strange
    ]


def _days(told: _Told, known: Sequence[float]) -> Iterable[Finding]:
    """Whole numbers that a spreadsheet program stores for a day, beside much smaller ones."""
    low, high = _DAYS
    days = [(v, place) for v, _, place in told if low <= v <= high and v == round(v)]
    others = [v for v, _, _ in told if not low <= v <= high] + [v for v in known if not low <= v <= high]
    if days and others and max(map(abs, others)) < low / 10:
        value, place = days[0]
        day = date(1899, 12, 30) + timedelta(days=round(value))
        yield Finding(place, f"{value:g} is what spreadsheet programs store for {day}, and may have been a number")


def _fractions(told: _Told, known: Sequence[float], laboratory: Laboratory) -> Iterable[Finding]:
    """Numbers up to 1, or beyond 100, where per cent are told."""
    values = [v for v, _, _ in told]
    if laboratory.value_unit != "%" or not values:
        return
    beyond = [(v, place) for v, _, place in told if v > _WHOLE]
    if beyond and float(np.median([*values, *known])) <= _WHOLE:
        yield Finding(beyond[0][1], f"{beyond[0][0]:g} is more than {_WHOLE:g} %; a decimal mark may be missing")
    if len(values) > 1 and min(values) >= 0 and 0 < max(values) <= 1:
        if known and float(np.median(known)) <= 1:
            return
        yield Finding(told[0][2], "all values lie between 0 and 1, and are taken as per cent; they may be fractions")


def _twice(taken: Sequence[Taken]) -> Iterable[Finding]:
    """Results that stand in the table twice: pasted two times, they look like replicates."""
    spectral = [t for t in taken if t.response.ndim == 2]
    many = [t for t in taken if len(t.response) > 1]
    for t in spectral:
        rows = [r.tobytes() for r in t.response]
        again = next((k for k, row in enumerate(rows) if row in rows[:k] and np.isfinite(t.response[k]).all()), None)
        if again is not None:
            first = t.places[rows.index(rows[again])]
            yield Finding(t.places[again], f"the spectrum of {t.name} stands in the table twice, see {first}")
            return
    same = [t for t in many if t.response.ndim == 1 and np.isfinite(t.response).all() and not np.ptp(t.response)]
    if len(same) > 1 and len(same) == len(many):
        yield Finding(
            same[0].places[1],
            f"all {len(same)} conditions with several results have equal ones; they may have been pasted twice",
        )


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


def _transmitted(taken: Sequence[Taken], laboratory: Laboratory) -> Iterable[Finding]:
    """Spectra that lie between 0 and 1 and have dips where absorbances have bands."""
    objective = laboratory.objective
    assert objective is not None
    spectra = [(s, p) for t in taken for s, p in zip(t.response, t.places, strict=True) if np.isfinite(s).all()]
    dipped = [place for s, place in spectra if _is_dipped(s, objective.target_spectrum)]
    if dipped and len(dipped) * 2 > len(spectra):
        yield Finding(
            dipped[0],
            f"{len(dipped)} of {len(spectra)} spectra lie between 0 and 1 and have dips in the "
            "place of bands; they may be transmittances: export absorbances, or %T with that in the heading",
        )


def _is_dipped(spectrum: FloatArray, target: FloatArray | None) -> bool:
    low, middle, high = float(spectrum.min()), float(np.median(spectrum)), float(spectrum.max())
    if low < -_TOLERANCE or not _CLEAR <= high <= 1 + _TOLERANCE or high - low < _TOLERANCE:
        return False
    if target is not None and float(np.ptp(target)) > 0:
        return bool(np.corrcoef(spectrum, target)[0, 1] < 0) and high - middle < middle - low
    return high - middle < middle - low


def _deviations(values: FloatArray) -> FloatArray:
    """Distances from the median in robust standard deviations."""
    middle = np.median(values)
    offset = np.abs(values - middle)
    scale = max(1.4826 * float(np.median(offset)), 1e-3 * abs(float(middle)), np.finfo(np.float64).tiny ** 0.5)
    return np.asarray(offset / scale)


def _others(found: Sequence[tuple[FloatArray, Place]]) -> str:
    rows = [str(place.row or place.column or place.file) for _, place in found[1:6]]
    return f" (also {', '.join(rows)}{', ...' if len(found) > 6 else ''})" if rows else ""
