"""The cross-image fusion network: which frame is in focus, pixel by pixel.

It works on a pyramid of the stack, coarse to fine. At the coarsest level `Glance` sees the whole picture:
convolutions (the local detective) beside selective state-space scans along rows and columns (the global
view). Every finer level runs the same small `Look`, convolutions only, which refines the coarser level's
logits and features; its view is local, so fine levels of large pictures can run in tiles. The two finest levels,
which nearly all of the pixels are in, can have smaller looks of their own. In all, every block lets the frames
exchange what they see through their mean and maximum, which treats all frames alike and works for any number of them;
and, if wanted, through a scan along the order of focus, which knows who is whose neighbour.

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
        level: which it looks at, if that is one of the two finest alone (0 is the finest): a look of its own size,
            blind to the order of focus, since only few of the frames are looked at there. None: any other.
    """

    def __init__(self, config: NetworkConfig, level: int | None = None) -> None:
        super().__init__()
        width, depth, order = {
            0: (config.fine_width, config.fine_depth, 0),
            1: (config.second_width, config.second_depth, 0),
            None: (config.width, config.depth, config.order),
        }[level]
        # the coarser level's logits of this patch (2x2 of them) and its features
        self.stem = Stem(width, extra=(PATCH // 2) ** 2, context=config.width)
        self.blocks = nn.ModuleList(Block(width, config.use_exchange, order) for _ in range(depth))
        self.head = Head(width)
        self.carry = nn.Parameter(torch.tensor(0.3))
        self.trust = Trust(config.width) if config.trust else None
        self.context = nn.Conv2d(width, config.width, 1) if level == 1 else None
        self.flaws = Flaws(width) if level is None else None

    def forward(self, octave: Octave, logits: Tensor, context: Tensor, stacks: int) -> tuple[Tensor, Tensor]:
        """Level, coarser logits (F, 1, h/2, w/2) and features -> logits and features, as `Glance`."""
        prior = relative(logits, stacks).clamp(-LOGIT_RANGE, LOGIT_RANGE)
        extra = [0.25 * patches_to_channels(prior, PATCH // 2)]
        features, laplacian = self.stem(octave, extra, context, stacks)
        for block in self.blocks:
            features = block(features, stacks)
        features = normalised(features)
        handed_on = features if self.context is None else normalised(self.context(features))
        if self.trust is None:
            return self.head(features, laplacian) + self.carry * doubled(prior), handed_on
        learned, measured, carried = self.trust(context, stacks)
        found = self.head(scaled(features, learned, stacks), scaled(laplacian, measured, stacks))
        return found + self.carry * doubled(scaled(prior, carried, stacks)), handed_on


class FusionNetwork(nn.Module):
    """Glance, then look closer, level by level."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.glance = Glance(config)
        self.look = Look(config)
        self.fine = Look(config, 0) if config.fine_width else None
        self.second = Look(config, 1) if config.second_width else None

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
            logits, context = self.look_at(level)(octave, logits, coarser, stacks)
            answers.append(logits)
        flaws: Tensor = self.flaws(finer[0].pixels, logits, coarser, stacks)
        return [by_stack(answer, stacks).squeeze(2) for answer in answers], flaws

    @property
    def flaws(self) -> Flaws:
        """What says where no choice is good."""
        assert self.look.flaws is not None
        return self.look.flaws

    def finest_parts(self) -> list[nn.Module]:
        """All that works on nothing but the two finest levels."""
        return [part for part in (self.second, self.fine, self.flaws) if part is not None]

    def look_at(self, level: int) -> Look:
        """The look that refines a level; 0 is the finest."""
        own = {0: self.fine, 1: self.second}.get(level)
        return own or self.look
