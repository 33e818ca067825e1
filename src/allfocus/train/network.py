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

Symbols in shape comments: B stacks, N frames, F = B * N frames in a row, C channels, h w octave size,
P = 4 pixels along a patch, so features are h/P x w/P.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from allfocus.train.config import NetworkConfig
from allfocus.train.ssm import SelectiveScan

#: Pixels along the side of the patch that one feature vector describes.
PATCH = 4
#: Channels of an octave: red, green, blue, and the detail lost on the way down from finer octaves.
OCTAVE_CHANNELS = 4
#: Laplacian energy of an 8-bit picture's rounding noise: below this there is nothing to see.
ENERGY_FLOOR = 1e-6
#: Coarser logits beyond this are certain enough.
LOGIT_RANGE = 12.0


def laplacian_energy(rgb: Tensor) -> Tensor:
    """Sum over channels of the squared 4-neighbour Laplacian: (F, 3, h, w) -> (F, 1, h, w), edges repeated."""
    kernel = rgb.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).expand(3, 1, 3, 3)
    padded = functional.pad(rgb, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, kernel, groups=3).square().sum(1, keepdim=True)


def build_octaves(frames: Tensor, octaves: int) -> list[Tensor]:
    """The pyramid, fine to coarse: (F, 3, H, W) -> `octaves` tensors (F, 4, H / 2^k, W / 2^k).

    The fourth channel carries down the Laplacian energy of all finer octaves, so that the coarsest one knows
    where fine detail is in focus. H and W must be multiples of 2^(octaves - 1) * PATCH.
    """
    octave = functional.pad(frames, (0, 0, 0, 0, 0, 1))  # F 4 H W, no finer detail yet
    pyramid = [octave]
    for _ in range(octaves - 1):
        rgb, finer = octave.split([3, 1], 1)
        octave = functional.avg_pool2d(torch.cat([rgb, finer + laplacian_energy(rgb)], 1), 2)
        pyramid.append(octave)
    return pyramid


def by_stack(features: Tensor, stacks: int) -> Tensor:
    """(F, C, h, w) -> (B, N, C, h, w). Not `unflatten`, which would fix the traced size in the exported graph."""
    return features.reshape(stacks, -1, *features.shape[1:])


def over_frames(features: Tensor, stacks: int) -> tuple[Tensor, Tensor]:
    """Mean and maximum over the frames of each stack: (F, C, h, w) -> two (B, 1, C, h, w)."""
    grouped = by_stack(features, stacks)
    return grouped.mean(1, keepdim=True), grouped.amax(1, keepdim=True)


def relative(features: Tensor, stacks: int) -> Tensor:
    """Deviation from the mean over the frames of the same stack, shape unchanged."""
    grouped = by_stack(features, stacks)
    return (grouped - grouped.mean(1, keepdim=True)).flatten(0, 1)


def patches_to_channels(pixels: Tensor, side: int) -> Tensor:
    """Pixel unshuffle, (F, C, h, w) -> (F, C * side^2, h / side, w / side), in a form that exports for any size."""
    height, width = pixels.shape[-2] // side, pixels.shape[-1] // side
    split = pixels.reshape(-1, pixels.shape[1], height, side, width, side)  # F C h/P P w/P P
    return split.permute(0, 1, 3, 5, 2, 4).reshape(-1, pixels.shape[1] * side**2, height, width)


def normalised(features: Tensor) -> Tensor:
    """Features of unit root mean square over the channels at each place, shape unchanged.

    The look is recursive: without it a gain above one would grow with every octave, and training diverges.
    """
    return features * torch.rsqrt(features.square().mean(1, keepdim=True) + 1e-2)


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
        mean, most = over_frames(features, stacks)
        # one product for the whole stack, not one a frame
        told = self.shared(torch.cat([mean, most], 2).flatten(0, 1))  # B C h w
        exchanged: Tensor = (by_stack(own, stacks) + told[:, None]).flatten(0, 1)
        return exchanged


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
        along_rows = self.rows(self.norm(pixels).flatten(0, 1)).reshape(pixels.shape)
        turned = (pixels + along_rows).transpose(1, 2)  # F w h C
        along_columns = self.columns(self.norm(turned).flatten(0, 1)).reshape(turned.shape)
        scanned: Tensor = (turned + along_columns).permute(0, 3, 2, 1)
        return scanned


class Stem(nn.Module):
    """An octave of pixels -> features per patch, and the classic measure per patch."""

    #: Channels beside the pixels: three focus measures and the level of detail common to all frames.
    MEASURES = 4
    window: Tensor

    def __init__(self, width: int, extra: int) -> None:
        super().__init__()
        self.pixels = nn.Conv2d(3 * PATCH**2, width, 3, padding=1)
        self.measures = nn.Conv2d(self.MEASURES + extra, width, 1)
        line = torch.exp(-0.5 * (torch.arange(-2.0, 3.0) / 0.75) ** 2)
        # with the 4x4 mean before it, a Gaussian of about 3 pixels: the classic rule's window
        self.register_buffer("window", (line[:, None] * line / line.sum() ** 2)[None, None], persistent=False)

    def forward(self, octave: Tensor, extra: list[Tensor], stacks: int) -> tuple[Tensor, Tensor]:
        """(F, 4, h, w) and what else is known per patch -> (F, C, h/P, w/P) and (F, 1, h/P, w/P)."""
        rgb, finer = octave.split([3, 1], 1)
        here = functional.avg_pool2d(laplacian_energy(rgb), PATCH)  # F 1 h/P w/P
        energy = torch.cat([here, functional.avg_pool2d(finer, PATCH)], 1)
        wide = functional.conv2d(functional.pad(here, (2, 2, 2, 2), mode="replicate"), self.window)
        log_energy = torch.log(torch.cat([energy, wide], 1) + ENERGY_FLOOR)
        measures = relative(log_energy, stacks)
        classic = measures[:, 2:3]
        common = log_energy[:, 2:3] - classic  # mean over frames, F 1 h/P w/P
        patches = patches_to_channels(relative(rgb, stacks), PATCH)
        side = self.measures(torch.cat([0.5 * measures, 0.1 * common + 0.8, *extra], 1))
        return functional.relu(4 * self.pixels(patches) + side), classic


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
        self.stem = Stem(width, extra=0)
        self.blocks = nn.ModuleList(Block(width, config.use_exchange) for _ in range(config.glance_depth))
        scans = config.glance_depth if config.use_scan else 0
        self.scans = nn.ModuleList(PictureScan(width, config.state, config.heads) for _ in range(scans))
        self.head = Head(width)
        self.context = nn.Conv2d(width, config.width, 1)

    def forward(self, octave: Tensor, stacks: int) -> tuple[Tensor, Tensor]:
        """Octave (F, 4, h, w) -> logits (F, 1, h, w) and features for `Look` (F, C, h/P, w/P)."""
        features, classic = self.stem(octave, [], stacks)
        for depth, block in enumerate(self.blocks):
            features = block(features, stacks)
            if depth < len(self.scans):
                features = self.scans[depth](features)
        features = normalised(features)
        return self.head(features, classic), normalised(self.context(features))


class Look(nn.Module):
    """One octave finer: refine the coarser logits and features."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        # the coarser octave's logits of this patch (2x2 of them) and its features
        self.stem = Stem(width, extra=(PATCH // 2) ** 2 + width)
        self.blocks = nn.ModuleList(Block(width, config.use_exchange) for _ in range(config.depth))
        self.head = Head(width)
        self.carry = nn.Parameter(torch.tensor(0.3))

    def forward(self, octave: Tensor, logits: Tensor, context: Tensor, stacks: int) -> tuple[Tensor, Tensor]:
        """Octave (F, 4, h, w), coarser logits (F, 1, h/2, w/2) and features -> logits and features, as `Glance`."""
        prior = relative(logits, stacks).clamp(-LOGIT_RANGE, LOGIT_RANGE)
        finer_context = functional.interpolate(context, scale_factor=2.0, mode="bilinear", align_corners=False)
        extra = [0.25 * patches_to_channels(prior, PATCH // 2), finer_context]
        features, classic = self.stem(octave, extra, stacks)
        for block in self.blocks:
            features = block(features, stacks)
        features = normalised(features)
        carried = functional.interpolate(prior, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.head(features, classic) + self.carry * carried, features


class FusionNetwork(nn.Module):
    """Glance, then look closer, octave by octave."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.glance = Glance(config)
        self.look = Look(config)

    def forward(self, frames: Tensor, octaves: int = 3) -> list[Tensor]:
        """Logits of every octave, coarse to fine.

        Args:
            frames: (B, N, 3, H, W) display-encoded [0, 1]; H and W multiples of 2^(octaves - 1) * PATCH.
            octaves: levels of the pyramid, >= 2.

        Returns:
            `octaves` tensors (B, N, h, w), the last at full resolution; softmax over N gives the weights.
        """
        stacks = len(frames)
        *finer, coarsest = build_octaves(frames.flatten(0, 1), octaves)
        logits, context = self.glance(coarsest, stacks)
        answers = [logits]
        for octave in reversed(finer):
            logits, context = self.look(octave, logits, context, stacks)
            answers.append(logits)
        return [by_stack(answer, stacks).squeeze(2) for answer in answers]
