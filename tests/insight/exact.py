"""Shapley values from their definition: the reference for the package's own."""

import itertools
import math

import numpy as np


def brute_force_shapley(function, points, background):
    """Shapley values from their definition, over all 2^d sets of variables; the reference for others.

    ``phi_i = sum over S without i of |S|! (d - |S| - 1)! / d! (v(S + i) - v(S))``, Shapley, Contributions to the Theory
    of Games II, 307 (1953), with v as in :func:`shapley_values`.

    Args:
        function: What is explained, see ``Function``.
        points: Shape ``(n, d)``, in the variables' units; d up to about 12.
        background: Baselines, shape ``(b, d)``.

    Returns:
        Signed values, shape ``(n, d[, m])``.
    """
    explained, baselines = np.asarray(points, dtype=np.float64), np.asarray(background, dtype=np.float64)
    (n, d), b = explained.shape, len(baselines)
    sets = np.array(list(itertools.product([False, True], repeat=d)))
    mixed = np.where(sets[:, None, None, :], explained[None, :, None, :], baselines[None, None, :, :])
    answers = np.asarray(function(mixed.reshape(-1, d)), dtype=np.float64)
    worth = answers.reshape(len(sets), n, b, *answers.shape[1:]).mean(axis=2)
    size = sets.sum(axis=1)
    weight = np.array([1.0 / (d * math.comb(d - 1, s)) if s < d else 0.0 for s in size])  # |S|! (d - |S| - 1)! / d!
    phi = []
    for i in range(d):
        without = np.flatnonzero(~sets[:, i])
        gain = worth[without + 2 ** (d - 1 - i)] - worth[without]  # product() counts in binary, the first digit highest
        phi.append(np.tensordot(weight[without], gain, axes=1))
    return np.stack(phi, axis=1)
