"""The cross-image fusion network: which frame is in focus, pixel by pixel.

It works on a pyramid of the stack, coarse to fine. At the coarsest level `Glance` sees the whole picture:
convolutions (the local detective) beside selective state-space scans along rows and columns (the global
view). Every finer level runs the same small `Look`, convolutions only, which refines the coarser level's
logits and features; its view is local, so fine levels of large pictures can run in tiles. The finest level,
which most of the pixels are in, can have a smaller look of its own. In all, every block lets the frames exchange what
they see through their mean and maximum, which treats all frames alike and works for any number of them; and, if
wanted, through a scan along the order of focus, which knows who is whose neighbour.

Inside, features live at a quarter of the level's resolution: a 4x4 patch of pixels becomes channels
(pixel unshuffle), and the head predicts the 16 logits of each patch. The Laplacian focus measure (log of the
local Laplacian energy) is both an input and, times one learned number, part of the logits: with its heads
at zero the untrained network decides as the Laplacian rule does and learns only what the rule gets wrong.

Beside the choice, `Flaws` says of the finest level where no choice is good: where no frame is sharp, and what
is seen only through the blur of something nearer.

Symbols in shape comments: B stacks, N frames, F = B * N frames in a row, C channels, h w level size,
P = 4 pixels along a patch, so features are h/P x w/P.
"""

import torch
from torch import Tensor, nn

from allfocus.train.config import NetworkConfig
from allfocus.train.network.blocks import Block, Head, PictureScan, Stem, Trust, doubled
from allfocus.train.network.features import (
    PATCH,
    Octave,
    build_octaves,
    by_stack,
    normalised,
    patches_to_channels,
    relative,
    scaled,
)
from allfocus.train.network.flaws import Flaws

#: Coarser logits beyond this are certain enough.
LOGIT_RANGE = 12.0


class Glance(nn.Module):
    """The coarsest level: the whole picture at once."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.glance_width
        self.stem = Stem(width, extra=0, context=0)
        self.blocks = nn.ModuleList(Block(width, config.use_exchange, config.order) for _ in range(config.glance_depth))
        scans = config.glance_depth if config.use_scan else 0
        self.scans = nn.ModuleList(PictureScan(width, config.state, config.heads) for _ in range(scans))
        self.head = Head(width)
        self.context = nn.Conv2d(width, config.width, 1)

    def forward(self, octave: Octave, stacks: int) -> tuple[Tensor, Tensor]:
        """Level of size h x w -> logits (F, 1, h, w) and features for `Look` (F, C, h/P, w/P)."""
        features, laplacian = self.stem(octave, [], None, stacks)
        for depth, block in enumerate(self.blocks):
            features = block(features, stacks)
            if depth < len(self.scans):
                features = self.scans[depth](features)
        features = normalised(features)
        return self.head(features, laplacian), normalised(self.context(features))


class Look(nn.Module):
    """One level finer: refine the coarser logits and features.

    Args:
        config: of the network.
        finest: whether it looks at the finest level alone, which has a look of its own size then, blind to the order
            of focus: only few of the frames are looked at there.
    """

    def __init__(self, config: NetworkConfig, finest: bool = False) -> None:
        super().__init__()
        width, depth, order = config.width, config.depth, config.order
        if finest:
            width, depth, order = config.fine_width, config.fine_depth, 0
        # the coarser level's logits of this patch (2x2 of them) and its features
        self.stem = Stem(width, extra=(PATCH // 2) ** 2, context=config.width)
        self.blocks = nn.ModuleList(Block(width, config.use_exchange, order) for _ in range(depth))
        self.head = Head(width)
        self.carry = nn.Parameter(torch.tensor(0.3))
        self.trust = Trust(config.width) if config.trust else None
        if not finest:
            self.flaws = Flaws(width)

    def forward(self, octave: Octave, logits: Tensor, context: Tensor, stacks: int) -> tuple[Tensor, Tensor]:
        """Level, coarser logits (F, 1, h/2, w/2) and features -> logits and features, as `Glance`."""
        prior = relative(logits, stacks).clamp(-LOGIT_RANGE, LOGIT_RANGE)
        extra = [0.25 * patches_to_channels(prior, PATCH // 2)]
        features, laplacian = self.stem(octave, extra, context, stacks)
        for block in self.blocks:
            features = block(features, stacks)
        features = normalised(features)
        if self.trust is None:
            return self.head(features, laplacian) + self.carry * doubled(prior), features
        learned, measured, carried = self.trust(context, stacks)
        found = self.head(scaled(features, learned, stacks), scaled(laplacian, measured, stacks))
        return found + self.carry * doubled(scaled(prior, carried, stacks)), features


class FusionNetwork(nn.Module):
    """Glance, then look closer, level by level."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.glance = Glance(config)
        self.look = Look(config)
        self.fine = Look(config, finest=True) if config.fine_width else None

    def forward(self, frames: Tensor, octaves: int = 3) -> tuple[list[Tensor], Tensor]:
        """Logits of every level, coarse to fine, and the flaws of the finest.

        Args:
            frames: (B, N, 3, H, W) display-encoded [0, 1]; H and W multiples of 2^(octaves - 1) * PATCH. In the
                order of focus, from either end, if the network is to know it (`NetworkConfig.order`).
            octaves: levels of the pyramid, >= 2.

        Returns:
            `octaves` tensors (B, N, h, w), the last at full resolution; softmax over N gives the weights. And
            (B, 2, H/P, W/P) log-odds, see `Flaws`.
        """
        stacks = len(frames)
        *finer, coarsest = build_octaves(frames.flatten(0, 1), octaves)
        logits, context = self.glance(coarsest, stacks)
        answers = [logits]
        for level, octave in reversed(list(enumerate(finer))):
            coarser = context
            look = self.look if level or self.fine is None else self.fine
            logits, context = look(octave, logits, coarser, stacks)
            answers.append(logits)
        flaws: Tensor = self.look.flaws(finer[0].pixels, logits, coarser, stacks)
        return [by_stack(answer, stacks).squeeze(2) for answer in answers], flaws
