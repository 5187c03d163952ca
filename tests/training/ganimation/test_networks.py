"""The networks: nothing asked is nothing done, every unit counts, sizes as published, a row depends on itself alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from training.ganimation.networks import (
    Critic,
    Generator,
    PublishedCritic,
    PublishedGenerator,
    ServedGenerator,
    blend,
    normalised,
    warped,
)
from training.ganimation.rendering import served


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(4, 1).eval()


def faces(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 255


def test_no_change_is_the_identity(generator: Generator) -> None:
    face = faces(2)
    colour, mask = generator(face, torch.zeros(2, 17))
    assert not mask.any()
    assert torch.equal(blend(face, colour, mask), face)
    _, mask = generator(face, torch.full((2, 17), 0.05))
    assert mask.mean() > 0.1


def test_every_unit_reaches_the_output(generator: Generator) -> None:
    change = torch.full((1, 17), 0.2, requires_grad=True)
    colour, _ = generator(faces(1), change)
    colour.square().mean().backward()
    assert change.grad is not None
    assert (change.grad.abs() > 0).all()


def test_colours_stay_in_range_and_reach_both_ends(generator: Generator) -> None:
    with torch.no_grad():
        for push, end in ((100.0, 255.0), (-100.0, 0.0)):
            torch.manual_seed(0)
            pushed = Generator(4, 1)
            pushed.paint.bias.fill_(push)
            colour, _ = pushed(faces(1), torch.ones(1, 17))
            assert torch.allclose(colour, torch.full_like(colour, end), atol=1e-3)


def test_a_flow_says_where_each_pixel_is_taken_from() -> None:
    face = faces(2)
    assert torch.allclose(warped(face, torch.zeros(2, 2, 64, 64)), face, atol=0.02)
    flow = torch.zeros(2, 2, 64, 64)
    flow[0, 0], flow[1, 1] = 3.0, -2.0
    found = warped(face, flow)
    assert torch.allclose(found[0, :, :, :-3], face[0, :, :, 3:], atol=0.02)
    assert torch.allclose(found[0, :, :, -3:], face[0, :, :, -1:].expand(-1, -1, 3), atol=0.02)
    assert torch.allclose(found[1, :, 2:], face[1, :, :-2], atol=0.02)


def test_a_warp_can_be_left_out() -> None:
    torch.manual_seed(0)
    still = Generator(4, 1, reach=0.0)
    with torch.no_grad():
        still.paint.weight.zero_()
        colour, _ = still(faces(1), torch.ones(1, 17))
    assert torch.equal(colour, faces(1))


def test_the_norm_of_training_is_that_of_serving() -> None:
    x_BCHW = torch.randn(2, 6, 16, 16) * 3 + 1
    with torch.no_grad():
        served_norm = normalised(x_BCHW)
    assert torch.allclose(normalised(x_BCHW), served_norm, atol=1e-5)


def test_a_norm_leaves_no_mean_and_no_scale_and_stands_a_flat_picture() -> None:
    found = normalised(torch.randn(2, 3, 8, 8) * 7 + 5)
    assert torch.allclose(found.mean((2, 3)), torch.zeros(2, 3), atol=1e-5)
    assert torch.allclose(found.square().mean((2, 3)), torch.ones(2, 3), atol=1e-3)
    assert not normalised(torch.full((1, 1, 4, 4), 9.0)).any()


def macs(network: nn.Module, *inputs: torch.Tensor) -> float:
    """Multiplications of convolutions, in thousands of millions."""
    total = 0.0

    def count(conv: nn.Conv2d, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output[0].numel() * conv.weight[0].numel() / 1e9

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(*inputs)
    return total


def test_a_face_costs_less_than_one_and_a_half_gmac() -> None:
    with torch.no_grad():
        cost = macs(Generator(), faces(1), torch.ones(1, 17))
    print(f"{cost:.2f} GMAC a face")  # noqa: T201
    assert 0.5 < cost < 1.5


def test_the_published_networks_have_the_published_sizes() -> None:
    with torch.device("meta"):
        assert sum(weight.numel() for weight in PublishedGenerator().parameters()) == 8_471_296
        assert sum(weight.numel() for weight in PublishedCritic().parameters()) == 44_860_352


def test_a_batch_of_one_keeps_its_axis() -> None:
    verdict, units = PublishedCritic(2)(faces(1))
    assert verdict.shape == (1, 1, 2, 2)
    assert units.shape == (1, 17)
    assert Critic(4)(faces(1), torch.zeros(1, 17)).shape == (1, 1, 8, 8)
    colour, mask = PublishedGenerator(4, 1)(faces(1), torch.zeros(1, 17))
    assert (colour.shape, mask.shape) == ((1, 3, 128, 128), (1, 1, 128, 128))
    assert 0 <= colour.detach().min() <= colour.detach().max() <= 255


def test_the_critic_sees_the_change(generator: Generator) -> None:
    torch.manual_seed(0)
    critic = Critic(4).eval()
    assert not torch.allclose(critic(faces(1), torch.zeros(1, 17)), critic(faces(1), torch.ones(1, 17)))


def test_what_is_served_clips_the_change_and_ignores_what_is_no_number(generator: Generator) -> None:
    model = served(generator)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), np.uint8)
    change = np.random.default_rng(1).uniform(-1, 1, (2, 17)).astype(np.float32)
    change[0, 3], change[1, 5] = 1.0, 0.0
    wild = change.copy()
    wild[0, 3], wild[1, 5] = 7.0, np.nan
    for name, found in model(pictures, wild).items():
        assert np.array_equal(found, model(pictures, change)[name]), name
    nothing = model(pictures, np.zeros((2, 17), np.float32))
    assert np.array_equal(nothing["rendered"], pictures)
    assert nothing["rendered"].dtype == np.uint8


def test_serving_leaves_the_trained_network_as_it_was(generator: Generator) -> None:
    ServedGenerator(generator)
    assert isinstance(generator.stem.film, nn.Linear)
