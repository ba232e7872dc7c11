"""The project's own score networks are certified, and one that breaks any one rule is not."""

from functools import partial

import pytest
import torch
from torch import nn

from matseek.godiff.atomic_score import FullScore, TemplateScore
from matseek.godiff.score_model import ScoreAndForces
from matseek.testing import ConformanceError, check_score_network

SMALL = {"features": 8, "blocks": 2, "cutoff": 4.5, "gaussians": 8}


@pytest.mark.parametrize("kind", [TemplateScore, FullScore])
def test_the_projects_own_networks_are_certified(kind):
    check_score_network(partial(kind, **SMALL))


class Broken:
    """Mutants: each breaks the rule that its message names."""

    class Axis(TemplateScore):
        """turn with the atoms"""

        def forward(self, graph, sigma, template=None):
            score, forces = super().forward(graph, sigma, template)
            return ScoreAndForces(score * torch.tensor([1.0, 1.0, 0.9]), forces)

    class Placed(TemplateScore):
        """translations of everything"""

        def graph(self, system, positions):
            found = super().graph(system, positions)
            found.height = positions[..., 2:].float()
            return found

        def forward(self, graph, sigma, template=None):
            score, forces = super().forward(graph, sigma, template)
            return ScoreAndForces(score * graph.height, forces)

    class Numbered(TemplateScore):
        """like atoms may be exchanged"""

        def forward(self, graph, sigma, template=None):
            score, forces = super().forward(graph, sigma, template)
            return ScoreAndForces(score * torch.arange(1, score.shape[1] + 1)[:, None], forces)

    class Folded(TemplateScore):
        """an atom and its images"""

        def graph(self, system, positions):
            found = super().graph(system, positions)
            away = positions - positions.mean(dim=1, keepdim=True)
            found.spread = away.norm(dim=-1, keepdim=True).float()
            return found

        def forward(self, graph, sigma, template=None):
            score, forces = super().forward(graph, sigma, template)
            return ScoreAndForces(score * graph.spread, forces)

    class Averaging(TemplateScore):
        """in a batch is as it is alone"""

        def forward(self, graph, sigma, template=None):
            score, forces = super().forward(graph, sigma, template)
            return ScoreAndForces(score / score.norm(), forces)

    class Noisy(TemplateScore):
        """forces do not depend on sigma"""

        def forward(self, graph, sigma, template=None):
            score, forces = super().forward(graph, sigma, template)
            return ScoreAndForces(score, forces * sigma[:, None, None])

    class Deaf(TemplateScore):
        """the score depends on sigma"""

        def forward(self, graph, sigma, template=None):
            return super().forward(graph, torch.ones_like(sigma), template)

    class Idle(TemplateScore):
        """gradients reach every parameter"""

        def make(self, features, blocks, cutoff, gaussians):
            super().make(features, blocks, cutoff, gaussians)
            self.spare = nn.Linear(2, 2)

    class Shared(TemplateScore):
        """what only forces depend on"""

        def forward(self, graph, sigma, template=None):
            score, forces = super().forward(graph, sigma, template)
            return ScoreAndForces(score + forces, forces)

    class Unseeded(TemplateScore):
        """a seed makes the same network"""

        def make(self, features, blocks, cutoff, gaussians):
            torch.seed()
            super().make(features, blocks, cutoff, gaussians)

    class Same(TemplateScore):
        """another seed makes another"""

        def make(self, features, blocks, cutoff, gaussians):
            torch.manual_seed(3)
            super().make(features, blocks, cutoff, gaussians)

    class Hidden(TemplateScore):
        """with the parameters of another says the same"""

        def make(self, features, blocks, cutoff, gaussians):
            super().make(features, blocks, cutoff, gaussians)
            self.scale = float(torch.rand(()))

        def forward(self, graph, sigma, template=None):
            score, forces = super().forward(graph, sigma, template)
            return ScoreAndForces(score * self.scale, forces)

    class Flat(TemplateScore):
        """shape of the positions"""

        def forward(self, graph, sigma, template=None):
            score, forces = super().forward(graph, sigma, template)
            return ScoreAndForces(score.flatten(1), forces)

    class Stale(TemplateScore):
        """the template encoded before"""

        def encode_template(self, system):
            return tuple(0 * part for part in super().encode_template(system))

    class Free(TemplateScore):
        """freezes the force head"""

        def freeze_force_head(self):
            return


@pytest.mark.parametrize(
    "kind", [k for k in vars(Broken).values() if isinstance(k, type)], ids=lambda kind: kind.__name__
)
def test_a_network_that_breaks_a_rule_is_refused(kind):
    with pytest.raises(ConformanceError, match=kind.__doc__):
        check_score_network(partial(kind, **SMALL))


def test_what_is_no_network_of_structures_is_refused():
    with pytest.raises(ConformanceError, match="is an AtomicScoreModel"):
        check_score_network(lambda seed: nn.Linear(2, 2))
