"""Grow a trained network into a larger one that starts where it stopped.

    python benchmarks/grow_network.py default.onnx recipes/network-2.toml -o start.onnx

After Net2Net (Chen, Goodfellow, Shlens, arXiv 1511.05641): the glance is taken over; the look gets more channels, and
scans along the order of focus, which hardly anybody listens to at first. A finest look of its own is a copy of the
first blocks of the old look, with the channels that count most; what it has lost, training has to bring back. So is
a look of its own for the second finest level, of a network that has all the rest already.
`allfocus train --from start.onnx` goes on from there.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from allfocus.train.config import NetworkConfig, load_recipe
from allfocus.train.network.features import PATCH
from allfocus.train.network.fusion_network import FusionNetwork, Look
from allfocus.train.onnx.export import card_of, export
from allfocus.train.onnx.weights import load_start

#: Channels that are new start with so much of their usual weights: enough to learn from, and hardly heard.
QUIET = 0.2
#: Inputs of the stem's measures, and of the flaws, before the features of the coarser octave.
KNOWN, SEEN = 4 + (PATCH // 2) ** 2, 3 * PATCH**2 + 3


@torch.no_grad()
def grown(old: FusionNetwork, config: NetworkConfig) -> FusionNetwork:
    """A network of the size of `config` that answers nearly as `old` does."""
    new = FusionNetwork(config)
    taken = {name: value for name, value in old.state_dict().items() if name.startswith("glance")}
    new.load_state_dict({**new.state_dict(), **{k: v for k, v in taken.items() if "context" not in k}})
    width, wide = old.config.width, config.width
    every, louder = torch.arange(width), (wide / width) ** 0.5  # the mean square of features is over more channels
    for value, was in (
        (new.glance.context.weight, old.glance.context.weight),
        (new.glance.context.bias, old.glance.context.bias),
    ):
        value.mul_(QUIET)[:width] = louder * was
    fill_look(new.look, old.look, every, louder, louder)
    context = torch.cat([SEEN + every, SEEN + wide + every])
    flaws = old.flaws.look.weight.clone()
    flaws[:, SEEN:] /= louder
    fill(new.flaws.look.weight, flaws, torch.arange(len(flaws)), torch.cat([torch.arange(SEEN), context]))
    for part in ("think", "tell"):
        getattr(new.flaws, part).load_state_dict(getattr(old.flaws, part).state_dict())
    new.flaws.look.bias.copy_(old.flaws.look.bias)
    if new.fine is not None:
        kept = most_heard(old.look)[: config.fine_width].sort().values
        fill_look(new.fine, old.look, kept, (config.fine_width / width) ** 0.5, louder)
    for module in new.modules():
        if hasattr(module, "read"):
            module.read.weight.mul_(QUIET)
    return new


@torch.no_grad()
def divided(old: FusionNetwork, config: NetworkConfig) -> FusionNetwork:
    """The same network with a smaller look of its own at the second finest level, from the look that served there."""
    new = FusionNetwork(config)
    new.load_state_dict({**new.state_dict(), **old.state_dict()})
    second, share = new.second, (config.second_width / config.width) ** 0.5
    assert second is not None
    assert second.context is not None
    kept = most_heard(old.look)[: config.second_width].sort().values
    fill_look(second, old.look, kept, share, 1.0)
    if second.trust is not None:
        second.trust.load_state_dict(old.look.trust.state_dict())
    second.context.weight.zero_()
    second.context.bias.zero_()
    second.context.weight[kept, torch.arange(len(kept))] = 1.0
    return new


def fill_look(new: Look, old: Look, kept: Tensor, louder: float, context: float) -> None:
    """Give a look the weights of another.

    Args:
        new: has room for the channels `kept` of the other; what else it has stays quiet.
        old: the other.
        kept: its channels, in the order in which the new one has them.
        louder: how much larger the new one's features are before they are normalised.
        context: how much larger the features of the coarser octave are.
    """
    here = torch.arange(len(kept))
    measured = KNOWN + torch.arange(old.stem.measures.weight.shape[1] - KNOWN)
    weight = old.stem.measures.weight.clone()
    weight[:, KNOWN:] /= context
    fill(new.stem.measures.weight, louder * weight[kept], here, torch.cat([torch.arange(KNOWN), measured]))
    fill(new.stem.pixels.weight, louder * old.stem.pixels.weight[kept], here, torch.arange(3 * PATCH**2))
    for stem in ("measures", "pixels"):
        fill_bias(getattr(new.stem, stem), louder * getattr(old.stem, stem).bias[kept])
    for block, was in zip(new.blocks, old.blocks, strict=False):
        heard = was.exchange.own.weight.flatten(1).norm(dim=0) * was.conv.weight.flatten(1).norm(dim=1)
        inner = heard.argsort(descending=True)[: len(block.conv.weight)].sort().values
        there = torch.arange(len(inner))
        fill(block.conv.weight, was.conv.weight[inner][:, kept] / louder, there, here)
        fill_bias(block.conv, was.conv.bias[inner])
        fill(block.exchange.own.weight, louder * was.exchange.own.weight[kept][:, inner], here, there)
        fill_bias(block.exchange.own, louder * was.exchange.own.bias[kept])
        shared, half, old_half = was.exchange.shared.weight[kept], len(block.conv.weight), len(was.conv.weight)
        both = torch.cat([shared[:, inner], shared[:, old_half + inner]], 1)
        fill(block.exchange.shared.weight, louder * both, here, torch.cat([there, half + there]))
    fill(new.head.conv.weight, old.head.conv.weight[:, kept] / louder, torch.arange(PATCH**2), here)
    new.head.conv.bias.copy_(old.head.conv.bias)
    new.head.classic_gain.copy_(old.head.classic_gain)
    new.carry.copy_(old.carry)


def most_heard(look: Look) -> Tensor:
    """Channels of a look, those first that its head and its first blocks make most of."""
    heard = look.head.conv.weight.abs().sum((0, 2, 3)) / look.head.conv.weight.abs().sum()
    for block in look.blocks[:2]:
        heard = heard + block.conv.weight.abs().sum((0, 2, 3)) / block.conv.weight.abs().sum()
    return heard.argsort(descending=True)


def fill(weight: Tensor, was: Tensor, rows: Tensor, columns: Tensor) -> None:
    """Put an old kernel (O, I, ...) into the given rows and columns of a new one; of new inputs they hear nothing."""
    weight.mul_(QUIET)
    weight[rows] = 0
    weight[rows[:, None], columns[None]] = was


def fill_bias(layer: nn.Module, was: Tensor) -> None:
    """The same for a bias."""
    layer.bias.mul_(QUIET)[: len(was)] = was


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    recipe, start = load_recipe(arguments.recipe), load_start(arguments.model)
    torch.manual_seed(recipe.seed)
    old = start.network()
    make = divided if old.config.fine_width else grown
    network = make(old, recipe.network).eval()
    export(network, arguments.output, card_of(recipe, {"photos": 0}, {}))


if __name__ == "__main__":
    main()
