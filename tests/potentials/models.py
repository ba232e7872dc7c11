"""A small MACE model with random parameters, as mace-torch would save it."""

import warnings

import numpy as np
import torch

from matseek.potentials.mace_file import mace_imported


def small_mace(path, numbers=(29, 78), channels=8, angular=1, seed=0, **settings):
    with warnings.catch_warnings(), mace_imported():
        warnings.simplefilter("ignore")
        from e3nn import o3
        from mace.modules import ScaleShiftMACE, gate_dict, interaction_classes

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            hidden = " + ".join(f"{channels}x{order}{'eo'[order % 2]}" for order in range(angular + 1))
            defaults = {
                "r_max": 4.5,
                "num_bessel": 8,
                "num_polynomial_cutoff": 5,
                "max_ell": 3,
                "interaction_cls": interaction_classes["RealAgnosticResidualInteractionBlock"],
                "interaction_cls_first": interaction_classes["RealAgnosticInteractionBlock"],
                "num_interactions": 2,
                "num_elements": len(numbers),
                "hidden_irreps": o3.Irreps(hidden),
                "MLP_irreps": o3.Irreps("16x0e"),
                "gate": gate_dict["silu"],
                "atomic_energies": np.linspace(-1, -2, len(numbers)),
                "avg_num_neighbors": 12.0,
                "atomic_numbers": list(numbers),
                "correlation": 3,
                "radial_type": "bessel",
                "atomic_inter_scale": 2.0,
                "atomic_inter_shift": 0.1,
            }
            model = ScaleShiftMACE(**defaults | settings)
        torch.save(model, path)
    return path
