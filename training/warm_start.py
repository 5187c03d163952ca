"""Where a run's weights come from when it does not start from scratch: another run, or a served model.

A served file is enough to go on training from, so that whoever has the model repository can adapt a model to faces of
their own without the hours that made it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training import checkpoint

LOG = logging.getLogger("mien.training")


def start_from(network: nn.Module, init: Path, example: Callable[[], Tensor]) -> None:
    """Take over the weights of a run (`best.pt`) or of an exported model (`model.onnx`, of 8 bits as near as they are).

    From the same method all weights are taken, else those of its backbone; of an exported classifier's head, which is
    folded, none. An export's batch norms are folded into its convolutions; they are unfolded again with the statistics
    of `example()`, a batch of inputs, so that the network answers as the export does and its norms move on from there.
    Inputs that a layer of single cells has got since, behind its former ones, are not heard at first.

    Raises:
        FileNotFoundError: nothing at `init`. ValueError: not a network of this kind.
    """
    init = init.expanduser()
    if init.suffix == ".onnx":
        _from_export(network, init, example)
        return
    weights = checkpoint.load(init)["weights"]
    if weights.keys() == network.state_dict().keys():
        network.load_state_dict(weights)
        return
    start = "backbone."
    backbone = {name.removeprefix(start): value for name, value in weights.items() if name.startswith(start)}
    if not (backbone and hasattr(network, "backbone")):
        raise ValueError(f"{init} holds no {type(network).__name__} and no backbone for one")
    network.get_submodule("backbone").load_state_dict(backbone, strict=True)


def _from_export(network: nn.Module, path: Path, example: Callable[[], Tensor]) -> None:
    import onnx

    if not path.exists():
        raise FileNotFoundError(f"no model at {path}: export one first (mien export CONFIG)")
    graph = onnx.load(path).graph
    # The served graph wraps the network under one name: `classifier.fc.weight` is `fc.weight` here.
    stored = {item.name.partition(".")[2]: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    stored = _renumbered(network, stored | _of_8_bits(stored))
    taken = set()
    with torch.no_grad():
        for name, own in network.state_dict().items():
            value = stored.get(name)
            if value is None:
                continue
            weights = torch.from_numpy(np.array(value, np.float32))
            if weights.numel() == own.numel():
                own.copy_(weights.reshape(own.shape))
                taken.add(name)
            elif _hears_more(own, weights):
                own.zero_()[:, : weights.shape[1]].copy_(weights.reshape(len(own), -1, *own.shape[2:]))
                taken.add(name)
                LOG.warning("%s: what %s hears beside is not heard at first", path, name.removesuffix(".weight"))
        pairs = [(name, conv, norm) for name, conv, norm in normed(network) if f"{name}.weight" in taken]
        for name, _, norm in pairs:
            bias = stored.get(f"{name}.weight_bias", stored.get(f"{name}.bias"))
            if bias is None or norm.running_var is None or norm.running_mean is None:
                raise ValueError(f"{path}: {name} has no folded batch norm; name the model that `mien export` wrote")
            norm.bias.copy_(torch.from_numpy(np.array(bias, np.float32)))
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            norm.weight.fill_(1.0)
    if not pairs:
        raise ValueError(f"{path} holds no weights of {type(network).__name__}")
    own = {name for name, _ in network.named_parameters()}
    missing = own - taken - {f"{at}.{part}" for at, part in _norm_parameters(network, pairs)}
    if missing:
        layers = sorted({name.rpartition(".")[0] or name for name in missing})
        several = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
        LOG.warning("%s has no %s%s: these start from scratch", path, ", ".join(layers[:3]), several)
    _unfold(network, [(conv, norm) for _, conv, norm in pairs], example())


def _hears_more(own: Tensor, weights: Tensor) -> bool:
    """Whether a layer of single cells [K, C, 1, 1] has the stored one's outputs and more inputs, behind its own."""
    cells = own.ndim >= 2 and own[0].numel() == own.shape[1]
    return cells and weights.ndim >= 2 and len(weights) == len(own) and weights[0].numel() < own.shape[1]


def normed(network: nn.Module) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d]]:
    """Convolutions without a bias, by name, each with the batch norm that was registered next: its own."""
    waiting: tuple[str, nn.Conv2d] | None = None
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            waiting = (name, module) if module.bias is None else None
        elif isinstance(module, nn.BatchNorm2d) and waiting is not None:
            yield (*waiting, module)
            waiting = None


def _of_8_bits(stored: dict[str, NDArray]) -> dict[str, NDArray]:  # type: ignore[type-arg]
    """What was stored in whole numbers, with a scale for each output channel, as the floats that these stand for."""
    found = {}
    for name, values in stored.items():
        own = name.removesuffix("_quantized")
        scale = stored.get(f"{own}_scale", stored.get(f"{name}_scale"))
        if own != name and scale is not None:
            found[own] = (values * scale.reshape(-1, *[1] * (values.ndim - 1))).astype(np.float32)
    return found


def _renumbered(network: nn.Module, stored: dict[str, NDArray]) -> dict[str, NDArray]:  # type: ignore[type-arg]
    """The stored weights with the numbers that the network's own layers have: what has no weights when serving (a norm
    that was folded, a dropout) may have been left out of an exported head, and the layers behind it moved up."""
    found = dict(stored)
    for name, module in network.named_modules():
        if not isinstance(module, nn.Sequential):
            continue
        own = [child for child, layer in module.named_children() if isinstance(layer, (nn.Conv2d, nn.Linear))]
        numbers = [re.fullmatch(re.escape(name) + r"\.(\d+)\.weight", key) for key in stored]
        there = sorted((match[1] for match in numbers if match), key=int)
        if len(there) == len(own) and there != own:
            moved = {f"{name}.{old}.": f"{name}.{new}." for old, new in zip(there, own, strict=True)}
            for key in [key for key in found if key.startswith(tuple(moved))]:
                del found[key]
            for old, new in moved.items():
                found |= {key.replace(old, new, 1): value for key, value in stored.items() if key.startswith(old)}
    return found


def _norm_parameters(
    network: nn.Module, pairs: list[tuple[str, nn.Conv2d, nn.BatchNorm2d]]
) -> Iterator[tuple[str, str]]:
    set_ = {id(norm) for _, _, norm in pairs}
    for name, module in network.named_modules():
        if id(module) in set_:
            yield from ((name, "weight"), (name, "bias"))


@torch.no_grad()
def _unfold(network: nn.Module, pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]], example: Tensor) -> None:
    """Give each norm its convolution's mean and variance on `example`, and change its scale and shift so that the two
    together compute what they did."""
    hooks, found = [], {}

    def note(conv: nn.Module, _: object, output: Tensor) -> None:
        found[conv] = output.mean((0, 2, 3)), output.var((0, 2, 3))

    for conv, _ in pairs:
        hooks.append(conv.register_forward_hook(note))
    network.eval()(example)
    for hook in hooks:
        hook.remove()
    for conv, norm in pairs:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = found[conv]
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)
