"""The mutants of ``make mutants``: one wrong line each, over the whole package, and the tests that should fail."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One wrong line.

    Args:
        name: What is wrong, in a few words.
        file: Path from the project's root.
        original: Text that is in the file exactly once.
        replacement: What it is replaced by.
        tests: Files or node ids of pytest, from the project's root; one of them should fail.
        timeout_kills: Whether tests that do not end count as failed.
    """

    name: str
    file: str
    original: str
    replacement: str
    tests: tuple[str, ...]
    timeout_kills: bool = False


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "PaiNN message: vectors without their gates",
        "src/matseek/networks/painn.py",
        "gates.unsqueeze(1) * vectors",
        "gates.unsqueeze(1) + vectors",
        ("tests/networks/test_painn.py",),
    ),
    Mutant(
        "PaiNN update: vectors by V instead of U",
        "src/matseek/networks/painn.py",
        "torch.addcmul(vectors, of_vectors.unsqueeze(1), u)",
        "torch.addcmul(vectors, of_vectors.unsqueeze(1), v)",
        ("tests/networks/test_painn.py",),
    ),
    Mutant(
        "template score: template encoded one block less",
        "src/matseek/networks/painn.py",
        "if len(sent) < len(self.messages):",
        "if len(sent) < len(self.messages) - 1:",
        (
            "tests/networks/test_painn.py",
            "tests/godiff/test_atomic_score.py::test_the_template_form_is_the_full_one_without_edges_into_the_template",
        ),
    ),
    Mutant(
        "graphs: too few periodic images",
        "src/matseek/networks/graphs.py",
        "math.floor(cutoff / h + 0.5)",
        "math.floor(cutoff / h)",
        ("tests/networks/test_graphs.py::test_lists_are_ases_on_random_cells",),
    ),
    Mutant(
        "adlayer: too few periodic images",
        "src/matseek/spaces/adlayer.py",
        "np.ceil(cutoff / heights + 0.5)",
        "np.ceil(cutoff / heights)",
        ("tests/spaces/test_adlayer.py::test_closeness_in_small_and_skewed_cells_is_that_of_many_images",),
    ),
    Mutant(
        "score matching: force loss without its weight",
        "src/matseek/godiff/score_matching.py",
        "loss + self.force_weight * force_loss",
        "loss + force_loss",
        ("tests/godiff/test_score_matching.py",),
    ),
    Mutant(
        "Boltzmann: selected rows weigh twice",
        "src/matseek/diffusion/boltzmann.py",
        "log_weights[rows] - inclusion",
        "log_weights[rows] + 0 * inclusion",
        ("tests/diffusion/test_boltzmann.py::test_selected_rows_stand_for_their_weight_once",),
    ),
    Mutant(
        "kT schedule: last iteration above the lowest kT",
        "src/matseek/diffusion/boltzmann.py",
        "(iteration / max(iterations - 1, 1))",
        "(iteration / max(iterations, 1))",
        ("tests/diffusion/test_boltzmann.py::test_kt_falls_exponentially_as_in_the_paper",),
    ),
    Mutant(
        "manifold: shares of direct and mirrored source exchanged",
        "src/matseek/diffusion/manifold.py",
        "torch.sigmoid(mirrored - direct)",
        "torch.sigmoid(direct - mirrored)",
        ("tests/diffusion/test_manifold.py::test_the_score_is_the_gradient_of_the_log_density",),
    ),
    Mutant(
        "sampler: Heun's step of first order",
        "src/matseek/diffusion/sampler.py",
        "(slope + field(end, lower)) / 2",
        "(slope + slope) / 2",
        ("tests/diffusion/test_sampler.py::test_heun_is_of_second_order_and_euler_of_first",),
    ),
    Mutant(
        "guidance: strong where there is much noise",
        "src/matseek/diffusion/guidance.py",
        "(1 - t) ** self.zeta",
        "t**self.zeta",
        ("tests/diffusion/test_sampler.py::test_forces_guide_more_strongly_towards_the_end",),
    ),
    Mutant(
        "surrogate relaxation: FIRE goes on uphill",
        "src/matseek/godiff/steering.py",
        "velocity = torch.where(down, turned, 0.0)",
        "velocity = turned",
        ("tests/godiff/test_steering.py",),
    ),
    Mutant(
        "replay buffer: an evaluation kept twice",
        "src/matseek/godiff/replay.py",
        "if number not in seen:",
        "if number >= 0:",
        ("tests/godiff/test_replay.py::test_an_evaluation_is_kept_once",),
    ),
    Mutant(
        "GODiff loop: failed evaluations are learnt from",
        "src/matseek/godiff/loop.py",
        'done = [e for e in evaluations if e.status == "done"]',
        'done = [e for e in evaluations if e.status != "pending"]',
        ("tests/godiff/test_loop.py",),
    ),
    Mutant(
        "GP: measured variances in the wrong unit",
        "src/matseek/surrogates/gp.py",
        "filled(variances.reshape(-1, 1) / scale**2,",
        "filled(variances.reshape(-1, 1) / scale,",
        ("tests/surrogates/test_gp.py::test_measured_noise_is_used",),
    ),
    Mutant(
        "periodic kernel: half a circle",
        "src/matseek/surrogates/periodic.py",
        "angles = 2 * math.pi * x[..., periodic]",
        "angles = math.pi * x[..., periodic]",
        ("tests/surrogates/test_periodic.py::test_both_ends_are_one_place",),
    ),
    Mutant(
        "SpectrumNet: outputs without their offset",
        "src/matseek/surrogates/spectrum_net.py",
        "return self.offset + self.scale * x",
        "return self.scale * x",
        ("tests/surrogates/test_spectrum_net.py::test_the_ensemble_is_its_members_one_by_one",),
    ),
    Mutant(
        "local penalization: pending points replace the chosen ones",
        "src/matseek/acquisition/local_penalization.py",
        "torch.cat([self.chosen, self.X_pending.to(self.chosen)])",
        "self.X_pending.to(self.chosen)",
        ("tests/acquisition/test_local_penalization.py::test_pending_points_count_as_centers",),
    ),
    Mutant(
        "local penalization: no short way around a period",
        "src/matseek/acquisition/local_penalization.py",
        "torch.where(periodic, offset - offset.round(), offset)",
        "torch.where(periodic, offset, offset)",
        ("tests/acquisition/test_local_penalization.py::test_a_ball_is_wrapped_where_a_coordinate_is_periodic",),
    ),
    Mutant(
        "local penalization: balls of the wrong sign",
        "src/matseek/acquisition/local_penalization.py",
        "(self.center_means - self.minimum)",
        "(self.minimum - self.center_means)",
        ("tests/acquisition/test_local_penalization.py::test_agrees_with_the_paper",),
    ),
    Mutant(
        "expected improvement: maximised",
        "src/matseek/acquisition/locally_penalized.py",
        "return ExpectedImprovement(state.model, best_f=state.best_mean(), maximize=False)",
        "return ExpectedImprovement(state.model, best_f=state.best_mean(), maximize=True)",
        ("tests/acquisition/test_acquisitions.py::test_the_first_point_goes_for_the_minimum",),
    ),
    Mutant(
        "Latin hypercube: no strata",
        "src/matseek/spaces/latin_hypercube.py",
        "(np.arange(n)[:, None] + rng.random((n, pool.shape[1]))) / n",
        "rng.random((n, pool.shape[1]))",
        ("tests/spaces/test_latin_hypercube.py::test_every_stratum_of_a_box_holds_one_point",),
    ),
    Mutant(
        "polytope: projection without Dykstra's corrections",
        "src/matseek/geometry/polytope.py",
        "/ squared[i] + corrections[i]",
        "/ squared[i] + 0 * corrections[i]",
        ("tests/geometry/test_polytope.py::test_projection_is_the_nearest_point",),
    ),
    Mutant(
        "window widening: the best far from the boundary",
        "src/matseek/searchers/widening.py",
        "(best[j] - edge) * (1 - 2 * edge) > self.beside",
        "(best[j] - edge) * (1 - 2 * edge) < self.beside",
        ("tests/searchers/test_widening.py",),
    ),
    Mutant(
        "budget: a batch larger than what remains",
        "src/matseek/evaluation/evaluator.py",
        "if limit is not None and len(proposal.points) > limit:",
        "if limit is not None and len(proposal.points) > limit + 1:",
        ("tests/evaluation/test_evaluator.py::test_a_batch_must_fit_the_budget_and_the_space",),
    ),
    Mutant(
        "executors: an interrupted call is not made again",
        "src/matseek/evaluation/executors/base.py",
        "waiting.appendleft((index, calls[index]))",
        "pass",
        ("tests/evaluation/test_executors.py::test_a_call_whose_worker_was_lost_is_made_again_first",),
    ),
    Mutant(
        "ledger: results settled that are settled already",
        "src/matseek/evaluation/ledger/writer.py",
        'if status != "pending":',
        'if status == "lost":',
        ("tests/evaluation/ledger/test_ledger.py::test_results_are_never_changed_and_go_in_together_or_not_at_all",),
    ),
    Mutant(
        "history: until a run without that run",
        "src/matseek/core/history.py",
        "e for e in self.evaluations if e.iteration <= run",
        "e for e in self.evaluations if e.iteration < run",
        ("tests/core/test_history.py",),
    ),
    Mutant(
        "two_step: one proposer too many gets the remainder",
        "src/matseek/searchers/two_step.py",
        "(i < n % len(proposers))",
        "(i <= n % len(proposers))",
        ("tests/searchers/test_two_step.py::test_split_runs_share_a_batch_and_spend_the_budget_exactly",),
    ),
    Mutant(
        "RSS: atoms held by the wrong wall",
        "src/matseek/searchers/descent.py",
        "left = self._sliding(self.forces)",
        "left = -self._sliding(-self.forces)",
        ("tests/searchers/test_relaxation.py::test_an_atom_held_by_a_wall_slides_to_where_it_is_lowest",),
    ),
    Mutant(
        "motifs: a second layer counts as the same",
        "src/matseek/problems/motifs.py",
        "_LAYER * bond / 2",
        "_LAYER * bond * 2",
        ("tests/problems/test_motifs.py::test_an_atom_on_top_of_a_ring_is_a_second_layer",),
    ),
    Mutant(
        "success: another interval than Wilson's",
        "src/matseek/insight/success.py",
        'method="wilson"',
        'method="exact"',
        ("tests/insight/test_success.py::test_wilsons_interval_as_in_the_literature",),
    ),
    Mutant(
        "McNemar: one-sided",
        "src/matseek/insight/paired.py",
        "binomtest(only_one, discordant).pvalue",
        'binomtest(only_one, discordant, alternative="greater").pvalue',
        ("tests/insight/test_paired.py::test_mcnemar_as_a_binomial_of_the_discordant_pairs",),
    ),
    Mutant(
        "median interval: of the mean",
        "src/matseek/insight/paired.py",
        "        np.median,\n        axis=0,",
        "        np.mean,\n        axis=0,",
        ("tests/insight/test_paired.py",),
    ),
    Mutant(
        "Shapley values: groups of baselines weigh alike",
        "src/matseek/insight/attribution.py",
        "values = np.tensordot(shares, phi, axes=1)",
        "values = phi.mean(axis=0)",
        ("tests/insight/test_attribution.py::test_captum_agrees_with_brute_force",),
    ),
    Mutant(
        "loss map: x and y exchanged",
        "src/matseek/insight/loss_map.py",
        "pinned[:, i] = np.tile(",
        "pinned[:, i] = np.repeat(",
        ("tests/insight/test_loss_map.py::test_minimum_over_the_others_is_that_of_an_analytic_function",),
    ),
    Mutant(
        "plausibility: held by a wall that it is pulled off",
        "src/matseek/insight/plausibility.py",
        "(outwards >= -_PUSH)",
        "(outwards <= -_PUSH)",
        ("tests/insight/test_plausibility.py::test_a_wall_holds_what_is_not_pulled_off_it",),
    ),
    Mutant(
        "colour objective: green for red",
        "src/matseek/problems/colour.py",
        "500.0 * (x - y)",
        "500.0 * (y - x)",
        ("tests/problems/test_colour.py::test_screen_colours_as_colour_science_reads_them",),
    ),
    Mutant(
        "spectral loss: saturated spectra pass the gate",
        "src/matseek/problems/gate.py",
        "torch.where(peak > self.high",
        "torch.where(peak > 2 * self.high",
        ("tests/problems/test_spectra.py::test_agrees_with_the_formula",),
    ),
    Mutant(
        "EMT: forces of the wrong sign",
        "src/matseek/potentials/emt.py",
        "forces[i, k] += pull\n            forces[j, k] -= pull",
        "forces[i, k] -= pull\n            forces[j, k] += pull",
        ("tests/potentials/test_emt.py::test_forces_are_the_slope_of_the_energy",),
    ),
)
