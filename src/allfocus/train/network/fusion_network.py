"""The cross-image fusion network: which frame is in focus, pixel by pixel.

It works on a pyramid of the stack, coarse to fine. At the coarsest octave `Glance` sees the whole picture:
convolutions (the local detective) beside selective state-space scans along rows and columns (the global
view). Every finer octave runs the same small `Look`, convolutions only, which refines the coarser octave's
logits and features; its view is local, so fine octaves of large pictures can run in tiles. In both, every
block lets the frames exchange what they see through their mean and maximum, which treats all frames alike
and works for any number of them.

Inside, features live at a quarter of the octave's resolution: a 4x4 patch of pixels becomes channels
(pixel unshuffle), and the head predicts the 16 logits of each patch. The classic focus measure (log of the
local Laplacian energy) is both an input and, times one learned number, part of the logits: with its heads
at zero the untrained network decides as the classic rule does and learns only what the rule gets wrong.

Beside the choice, `Flaws` says of the finest octave where no choice is good: where no frame is sharp, and what
is seen only through the blur of something nearer.

Symbols in shape comments: B stacks, N frames, F = B * N frames in a row, C channels, h w octave size,
P = 4 pixels along a patch, so features are h/P x w/P.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from allfocus.train.config import NetworkConfig
from allfocus.train.network.features import (
    ENERGIES,
    ENERGY_FLOOR,
    PATCH,
    Octave,
    build_octaves,
    by_stack,
    laplacian_energy,
    normalised,
    over_frames,
    patch_kernel,
    patches_to_channels,
    relative,
    shares,
    summed,
    told,
)
from allfocus.train.network.scan import SelectiveScan

#: Coarser logits beyond this are certain enough.
LOGIT_RANGE = 12.0


class Exchange(nn.Module):
    """Cross-image exchange: each frame's features meet the mean and the maximum over all frames."""

    def __init__(self, width: int, enabled: bool) -> None:
        super().__init__()
        self.own = nn.Conv2d(width, width, 1)
        self.shared = nn.Conv2d(2 * width, width, 1, bias=False) if enabled else None
        nn.init.normal_(self.own.weight, std=0.3 * width**-0.5)

    def forward(self, features: Tensor, stacks: int) -> Tensor:
        """(F, C, h, w) -> (F, C, h, w)."""
        own: Tensor = self.own(features)
        if self.shared is None:
            return own
        # one product for the whole stack, not one a frame
        return told(own, self.shared(torch.cat(over_frames(features, stacks), 1)), stacks)


class Block(nn.Module):
    """Convolution, then exchange, added to what came in."""

    def __init__(self, width: int, exchange: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.exchange = Exchange(width, exchange)

    def forward(self, features: Tensor, stacks: int) -> Tensor:
        """(F, C, h, w) -> (F, C, h, w)."""
        local = functional.relu(self.conv(features))
        exchanged: Tensor = self.exchange(local, stacks)
        return features + exchanged


class PictureScan(nn.Module):
    """State-space scans along all rows, then all columns, of every frame, added to what came in."""

    def __init__(self, width: int, state: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.rows = SelectiveScan(width, state, heads)
        self.columns = SelectiveScan(width, state, heads)

    def forward(self, features: Tensor) -> Tensor:
        """(F, C, h, w) -> (F, C, h, w)."""
        pixels = features.permute(0, 2, 3, 1)  # F h w C
        turned = (pixels + self.rows(self.norm(pixels))).transpose(1, 2)  # F w h C
        scanned: Tensor = (turned + self.columns(self.norm(turned))).permute(0, 3, 2, 1)
        return scanned


class Stem(nn.Module):
    """An octave of pixels -> features per patch, and the classic measure per patch."""

    #: Channels beside the pixels: three focus measures and the level of detail common to all frames.
    MEASURES = ENERGIES + 2
    window: Tensor

    def __init__(self, width: int, extra: int, context: int) -> None:
        super().__init__()
        self.pixels = nn.Conv2d(3 * PATCH**2, width, 3, padding=1)
        self.measures = nn.Conv2d(self.MEASURES + extra + context, width, 1)
        line = torch.exp(-0.5 * (torch.arange(-2.0, 3.0) / 0.75) ** 2)
        # with the 4x4 mean before it, a Gaussian of about 3 pixels: the classic rule's window
        self.register_buffer("window", (line[:, None] * line / line.sum() ** 2)[None, None], persistent=False)

    def forward(
        self, octave: Octave, extra: list[Tensor], context: Tensor | None, stacks: int
    ) -> tuple[Tensor, Tensor]:
        """An octave, what else is known per patch, and the coarser octave's features (F, C, h/2P, w/2P).

        Returns:
            (F, C, h/P, w/P) and the classic measure (F, 1, h/P, w/P).
        """
        wide = functional.conv2d(functional.pad(octave.energy[:, :1], (2, 2, 2, 2), mode="replicate"), self.window)
        log_energy = torch.log(torch.cat([octave.energy, wide], 1) + ENERGY_FLOOR)
        measures = relative(log_energy, stacks)
        classic = measures[:, ENERGIES:]
        common = log_energy[:, ENERGIES:] - classic  # mean over frames, F 1 h/P w/P
        known = torch.cat([0.5 * measures, 0.1 * common + 0.8, *extra], 1)
        weight = self.measures.weight
        side = functional.conv2d(known, weight[:, : known.shape[1]], self.measures.bias)
        if context is not None:
            # a product per place and an enlargement commute: the small picture first
            side = side + doubled(functional.conv2d(context, weight[:, known.shape[1] :]))
        # on pixels, in steps of a patch: what a 3x3 convolution would do on patches as channels; linear, so that the
        # mean over the frames may be taken off after it
        seen = functional.conv2d(octave.pixels, patch_kernel(self.pixels.weight, PATCH), stride=PATCH, padding=PATCH)
        bias = self.pixels.bias
        assert bias is not None
        return functional.relu(4 * (relative(seen, stacks) + bias[:, None, None]) + side), classic


def doubled(planes: Tensor) -> Tensor:
    """Twice the size, bilinear: (F, C, h, w) -> (F, C, 2h, 2w)."""
    return functional.interpolate(planes, scale_factor=2.0, mode="bilinear", align_corners=False)


class Head(nn.Module):
    """Features -> 16 logits a patch, plus the classic measure times a learned number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, PATCH**2, 3, padding=1)
        self.classic_gain = nn.Parameter(torch.tensor(2.0))
        for value in self.conv.parameters():
            nn.init.zeros_(value)

    def forward(self, features: Tensor, classic: Tensor) -> Tensor:
        """(F, C, h/P, w/P) and (F, 1, h/P, w/P) -> logits (F, 1, h, w)."""
        learned = functional.pixel_shuffle(self.conv(features), PATCH)
        smooth = functional.interpolate(classic, scale_factor=float(PATCH), mode="bilinear", align_corners=False)
        return learned + self.classic_gain * smooth


class Glance(nn.Module):
    """The coarsest octave: the whole picture at once."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.glance_width
        self.stem = Stem(width, extra=0, context=0)
        self.blocks = nn.ModuleList(Block(width, config.use_exchange) for _ in range(config.glance_depth))
        scans = config.glance_depth if config.use_scan else 0
        self.scans = nn.ModuleList(PictureScan(width, config.state, config.heads) for _ in range(scans))
        self.head = Head(width)
        self.context = nn.Conv2d(width, config.width, 1)

    def forward(self, octave: Octave, stacks: int) -> tuple[Tensor, Tensor]:
        """Octave of size h x w -> logits (F, 1, h, w) and features for `Look` (F, C, h/P, w/P)."""
        features, classic = self.stem(octave, [], None, stacks)
        for depth, block in enumerate(self.blocks):
            features = block(features, stacks)
            if depth < len(self.scans):
                features = self.scans[depth](features)
        features = normalised(features)
        return self.head(features, classic), normalised(self.context(features))


class Flaws(nn.Module):
    """Where no choice among the frames is good: sharp in no frame, or veiled by the blur of something nearer.

    It looks at what was picked, at how its detail falls off from octave to octave, which tells how blurred it is,
    and at the features of the next coarser octave: so it can answer too where that one has decided, and nobody looked
    closer. One map serves all frames, at the resolution of the features.
    """

    #: Maps: sharp in no frame; veiled.
    KINDS = 2
    WIDTH = 32

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(3 * PATCH**2 + 3 + 2 * width, self.WIDTH, 3)
        self.think = nn.Conv2d(self.WIDTH, self.WIDTH, 3, padding=1)
        self.tell = nn.Conv2d(self.WIDTH, 4 * self.KINDS, 1)
        assert self.tell.bias is not None
        nn.init.constant_(self.tell.bias, -2.0)  # flaws are rare

    def forward(self, pixels: Tensor, logits: Tensor, context: Tensor, stacks: int) -> Tensor:
        """Log-odds (B, 2, h/P, w/P).

        Args:
            pixels: (F, 3, h, w) of an octave.
            logits: (F, 1, h, w) that decide it.
            context: (F, C, h/2P, w/2P), features of the next coarser octave.
            stacks: B.
        """
        # F 1 h w; flaws don't steer the choice. Written out: the softmax of onnxruntime is slow along this axis
        weights = 2 * logits.detach()
        weights = shares(told(weights, -over_frames(weights, stacks)[1], stacks).exp(), stacks)
        picked = summed(weights * pixels, stacks)  # B 3 h w
        half = functional.avg_pool2d(picked, 2)
        detail = [
            laplacian_energy(picked, PATCH),
            laplacian_energy(half, PATCH // 2),
            laplacian_energy(functional.avg_pool2d(half, 2)),
        ]
        here = functional.avg_pool2d(weights, 2 * PATCH)  # F 1 h/2P w/2P
        known = torch.cat([summed(here * context, stacks), over_frames(context, stacks)[1]], 1)
        # what patches and their detail say is looked at in steps of two patches, the size that the features have
        pixels_in, detail_in = 3 * PATCH**2, len(detail)
        of_pixels, of_detail, of_context = self.look.weight.split([pixels_in, detail_in, known.shape[1]], 1)
        energies = 0.25 * torch.log(torch.cat(detail, 1) + ENERGY_FLOOR) + 2
        seen = functional.relu(
            functional.conv2d(picked - 0.5, patch_kernel(of_pixels, PATCH), stride=2 * PATCH, padding=PATCH)
            + functional.conv2d(energies, of_detail, self.look.bias, stride=2, padding=1)
            + functional.conv2d(known, of_context, padding=1)
        )
        seen = seen + functional.relu(self.think(seen))
        return functional.pixel_shuffle(self.tell(seen), 2)


class Look(nn.Module):
    """One octave finer: refine the coarser logits and features."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        # the coarser octave's logits of this patch (2x2 of them) and its features
        self.stem = Stem(width, extra=(PATCH // 2) ** 2, context=width)
        self.blocks = nn.ModuleList(Block(width, config.use_exchange) for _ in range(config.depth))
        self.head = Head(width)
        self.carry = nn.Parameter(torch.tensor(0.3))
        self.flaws = Flaws(width)

    def forward(self, octave: Octave, logits: Tensor, context: Tensor, stacks: int) -> tuple[Tensor, Tensor]:
        """Octave, coarser logits (F, 1, h/2, w/2) and features -> logits and features, as `Glance`."""
        prior = relative(logits, stacks).clamp(-LOGIT_RANGE, LOGIT_RANGE)
        extra = [0.25 * patches_to_channels(prior, PATCH // 2)]
        features, classic = self.stem(octave, extra, context, stacks)
        for block in self.blocks:
            features = block(features, stacks)
        features = normalised(features)
        return self.head(features, classic) + self.carry * doubled(prior), features


class FusionNetwork(nn.Module):
    """Glance, then look closer, octave by octave."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.glance = Glance(config)
        self.look = Look(config)

    def forward(self, frames: Tensor, octaves: int = 3) -> tuple[list[Tensor], Tensor]:
        """Logits of every octave, coarse to fine, and the flaws of the finest.

        Args:
            frames: (B, N, 3, H, W) display-encoded [0, 1]; H and W multiples of 2^(octaves - 1) * PATCH.
            octaves: levels of the pyramid, >= 2.

        Returns:
            `octaves` tensors (B, N, h, w), the last at full resolution; softmax over N gives the weights. And
            (B, 2, H/P, W/P) log-odds, see `Flaws`.
        """
        stacks = len(frames)
        *finer, coarsest = build_octaves(frames.flatten(0, 1), octaves)
        logits, context = self.glance(coarsest, stacks)
        answers = [logits]
        for octave in reversed(finer):
            coarser = context
            logits, context = self.look(octave, logits, coarser, stacks)
            answers.append(logits)
        flaws: Tensor = self.look.flaws(finer[0].pixels, logits, coarser, stacks)
        return [by_stack(answer, stacks).squeeze(2) for answer in answers], flaws
