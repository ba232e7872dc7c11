import numpy as np
import pytest
import torch

from matseek.errors import ResponseError
from matseek.surrogates.spectra_data import ROWS, SpectraDataModule

WAVELENGTHS = np.linspace(400, 700, 7)


def conditions(n=12, droplets=4, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.random((n, 2))
    responses = [1 + rng.random((droplets, 7)) for _ in range(n)]
    return points, responses


def members_rows(data, weights):
    """Rows that count for each member."""
    return [set(np.flatnonzero(w)) for w in weights]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("bootstrap", [False, True])
def test_no_recipe_is_on_both_sides_of_a_split(rows, bootstrap):
    points, responses = conditions()
    points[5] = points[3]  # measured twice: the same recipe must stay on one side
    data = SpectraDataModule(points, responses, WAVELENGTHS, members=4, rows=rows, holdout=0.3, bootstrap=bootstrap)
    judged = []
    for taught, held in zip(data.training_weights > 0, data.validation_weights > 0, strict=True):
        recipes = [{tuple(p) for p in data.points[side]} for side in (taught, held)]
        assert recipes[0]
        assert len(recipes[1]) == 4, "0.3 of 11 recipes, rounded up"
        assert not recipes[0] & recipes[1]
        judged.append(frozenset(recipes[1]))
        if not bootstrap:
            assert (taught | held).all(), "every row teaches or judges"
    assert len(set(judged)) == 4, "members are judged on different recipes"


def test_a_bootstrap_differs_between_members():
    points, responses = conditions()
    data = SpectraDataModule(points, responses, WAVELENGTHS, members=2, holdout=0, bootstrap=True)
    assert not np.array_equal(*data.training_weights)
    np.testing.assert_allclose(data.training_weights.sum(axis=1), 12)


@pytest.mark.parametrize(("rows", "count"), [("droplets", 47), ("means", 12), ("medians", 12)])
def test_a_droplet_with_nan_is_dropped_and_the_others_stay(rows, count):
    points, responses = conditions()
    responses[2][1, 4] = np.nan
    data = SpectraDataModule(points, responses, WAVELENGTHS, rows=rows)
    assert len(data.targets) == count
    assert np.isfinite(data.targets).all()
    if rows != "droplets":
        reduce = np.mean if rows == "means" else np.median
        np.testing.assert_allclose(data.targets[2], reduce(np.delete(responses[2], 1, axis=0), axis=0))


def test_a_condition_without_a_finite_droplet_is_dropped():
    points, responses = conditions()
    responses[0][:, 0] = np.inf
    data = SpectraDataModule(points, responses, WAVELENGTHS, rows="medians")
    np.testing.assert_array_equal(data.points, points[1:])


def test_batches_hold_every_row_of_a_member_once_in_an_order_of_its_own():
    points, responses = conditions(n=10)
    data = SpectraDataModule(points, responses, WAVELENGTHS, members=3, rows="droplets", batch_size=9, holdout=0.2)
    batches = data.train_dataloader()
    epochs = []
    for _ in range(2):
        epoch = list(batches)
        assert len(epoch) == len(batches)
        joined = [torch.cat(parts, dim=1) for parts in zip(*epoch, strict=True)]
        for k in range(3):
            present = joined[3][k] > 0
            seen = joined[1][k][present].numpy()
            wanted = data.targets[data.training_weights[k] > 0].astype(np.float32)
            np.testing.assert_array_equal(np.sort(seen, axis=0), np.sort(wanted, axis=0))
        epochs.append(joined[1])
    assert not torch.equal(epochs[0], epochs[1]), "another order in every epoch"
    again = next(iter(data.train_dataloader()))
    assert torch.equal(again.targets, epochs[0][:, :9]), "the same seed gives the same order"


def test_means_teach_what_the_droplets_together_teach():
    # Over all droplets and over the weighted means, the losses differ by a constant and the gradients are the same.
    points, responses = conditions(n=6)
    responses[1] = responses[1][:2]
    gradients = {}
    for rows in ("droplets", "means"):
        data = SpectraDataModule(points, responses, WAVELENGTHS, rows=rows, holdout=0, batch_size=100)
        (batch,) = data.train_dataloader()
        slope = torch.zeros(2, 7, requires_grad=True)
        predicted = batch.points[0] @ slope + 1
        squared = (predicted - batch.targets[0]).square().mean(dim=-1)
        cosine = (predicted * batch.directions[0]).sum(dim=-1) / predicted.norm(dim=-1)
        loss = (batch.weights[0] * (squared - cosine)).sum() / batch.weights[0].sum()
        (gradients[rows],) = torch.autograd.grad(loss, slope)
    torch.testing.assert_close(gradients["droplets"], gradients["means"])


def test_values_instead_of_spectra():
    data = SpectraDataModule([[0.0], [1.0], [2.0]], [[1.0, 3.0, np.nan], 4.0, [6.0]], rows="means", holdout=0)
    np.testing.assert_allclose(data.targets, [[2.0], [4.0], [6.0]])
    np.testing.assert_allclose(data.training_weights, [[1.5, 0.75, 0.75]])
    assert data.wavelengths is None
    assert data.offset == pytest.approx(3.5)


def test_a_response_of_another_length_is_refused():
    points, responses = conditions()
    responses[3] = responses[3][:, :5]
    with pytest.raises(ResponseError, match=r"condition 3 has 5 absorbances.*there are 7 wavelengths \(400-700 nm\)"):
        SpectraDataModule(points, responses, WAVELENGTHS)


def test_spectra_without_wavelengths_are_refused():
    points, responses = conditions()
    with pytest.raises(ResponseError, match="or the wavelengths if these are spectra"):
        SpectraDataModule(points, responses)


@pytest.mark.parametrize("responses", [[np.ones((3, 7))] * 5, [np.full((3, 7), np.nan)] * 5])
def test_what_teaches_nothing_is_refused(responses):
    with pytest.raises(ValueError, match="teach a network nothing.*measure more conditions"):
        SpectraDataModule(np.random.default_rng(0).random((5, 2)), responses, WAVELENGTHS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": "drops"}, "rows='drops' is unknown"),
        ({"holdout": 0.9}, "holdout=0.9"),
        ({"members": 0}, "members=0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SpectraDataModule(*conditions(), WAVELENGTHS, **options)


def test_points_and_responses_must_belong_together():
    points, responses = conditions()
    with pytest.raises(ValueError, match="12 points but 11 responses"):
        SpectraDataModule(points, responses[1:], WAVELENGTHS)


def test_no_wavelengths_are_refused():
    with pytest.raises(ValueError, match=r"wavelengths=\[\] must be at least one number"):
        SpectraDataModule([[0.0]], [[1.0]], [])
