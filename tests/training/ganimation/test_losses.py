"""Losses on values that can be worked out by hand."""

from __future__ import annotations

import pytest
import torch

from training.ganimation import losses


def picture(*values: float) -> torch.Tensor:
    """One picture of one row; the three channels are alike."""
    return torch.tensor(values).view(1, 1, 1, -1).expand(-1, 3, -1, -1)


def test_what_changes_weighs_more() -> None:
    source, true = picture(0.0, 0.0), picture(0.0, 0.2)
    # weights 1 and 1 + 4; copying the source errs by .2 where it counts
    assert losses.pair_difference(source, true, source, 4.0).item() == pytest.approx(5 * 0.2 / 6)
    assert losses.pair_difference(source, true, source, 0.0).item() == pytest.approx(0.1)
    assert losses.pair_difference(true, true, source, 4.0).item() == 0


def test_variation_is_the_mean_step_along_rows_and_columns() -> None:
    x = torch.tensor([[0.0, 1.0], [0.0, 3.0]]).view(1, 1, 2, 2)
    assert losses.variation(x).item() == pytest.approx((0 + 2) / 2 + (1 + 3) / 2)


def test_gradients_see_an_edge_but_no_tone() -> None:
    flat, lighter = torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5)
    assert losses.gradient_difference(lighter, flat).item() == 0
    edge = flat.clone()
    edge[..., 4:] = 1.0
    # one step of 1 among 7, 3 and 1 neighbours along each row, at full, half and quarter size
    assert losses.gradient_difference(edge, flat).item() == pytest.approx(1 / 7 + 1 / 3 + 1)


def test_units_that_cannot_be_read_do_not_count_and_wishes_are_cut_to_their_range() -> None:
    found, wanted = torch.tensor([[0.5, 0.0]]), torch.tensor([[1.6, 1.0]])
    assert losses.unit_error(found, wanted, torch.tensor([1.0, 0.0])).item() == pytest.approx(0.25)
    assert losses.unit_error(found, wanted, torch.tensor([1.0, 1.0])).item() == pytest.approx(0.625)
    assert losses.unit_error(found, wanted, torch.zeros(2)).item() == 0


def test_a_mask_between_its_bounds_costs_nothing() -> None:
    masks = torch.tensor([0.3, 0.0, 0.9]).view(3, 1, 1, 1).expand(-1, -1, 4, 4)
    assert losses.mask_hinge(masks[:1], 0.1, 0.6).item() == 0
    assert losses.mask_hinge(masks, 0.1, 0.6).item() == pytest.approx((0 + 0.1 + 0.3) / 3)


def test_the_hinge_stops_at_one() -> None:
    real, made = torch.tensor([2.0, 0.5]).view(2, 1, 1, 1), torch.tensor([-3.0, 0.0]).view(2, 1, 1, 1)
    assert losses.hinge(real, made).item() == pytest.approx(0.25 + 0.5)


def test_slopes_are_those_of_pictures_in_minus_one_to_one() -> None:
    def verdict(face: torch.Tensor) -> torch.Tensor:
        return (face / 127.5).sum((1, 2, 3), keepdim=True) * 0.5

    faces = torch.rand(2, 1, 2, 2) * 255
    assert losses.squared_slope(verdict, faces).item() == pytest.approx(0.5 * 4 * 0.25)
    # four parts of .5 have length 1: no penalty
    assert losses.unit_slope(verdict, faces, faces.flip(0), torch.tensor([0.2, 0.7])).item() == pytest.approx(
        0, abs=1e-6
    )
    twice = losses.unit_slope(lambda face: 2 * verdict(face), faces, faces.flip(0), torch.tensor([0.2, 0.7]))
    assert twice.item() == pytest.approx(1.0, abs=1e-5)
