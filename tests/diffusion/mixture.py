"""Mixtures whose diffusion is known: kernels spread over centres, which noise only widens."""

import torch


class KernelMixture:
    """``sum_k w_k kernel(x | c_k, width)`` on a manifold whose widths add up, and its exact score at any sigma."""

    def __init__(self, manifold, centres, width, weights=None, dtype=torch.float64):
        self.manifold, self.width = manifold, width
        self.centres = torch.as_tensor(centres, dtype=dtype).reshape(-1, *manifold.shape)
        weights = torch.ones(len(self.centres)) if weights is None else torch.as_tensor(weights)
        self.weights = (weights / weights.sum()).to(dtype)

    def __call__(self, x, sigma):
        total = (self.width**2 + sigma[0].item() ** 2) ** 0.5
        logs, scores = [], []
        for centre, weight in zip(self.centres, self.weights, strict=True):
            c = centre.to(x.dtype).expand_as(x)
            logs.append(weight.log() + self.manifold.log_density(x, c, total))
            scores.append(self.manifold.score(x, c, total))
        share = torch.softmax(torch.stack(logs), dim=0).to(x.dtype)
        share = share.reshape(*share.shape, *[1] * (x.ndim - 1))
        return (share * torch.stack(scores)).sum(dim=0) * sigma[0].item() / total

    def draw(self, count, generator):
        rows = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        return self.manifold.perturb(self.centres[rows], self.width, generator)
