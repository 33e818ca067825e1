"""What the network is built of: blocks in which frames exchange what they see, stem, head, and scans over the picture.

Symbols in shape comments as in `fusion_network`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from allfocus.train.network.features import (
    ENERGIES,
    ENERGY_FLOOR,
    PATCH,
    Octave,
    over_frames,
    patch_kernel,
    relative,
    told,
)
from allfocus.train.network.frame_order import FrameScan
from allfocus.train.network.scan import SelectiveScan


class Exchange(nn.Module):
    """Cross-image exchange: each frame's features meet the mean and the maximum over all frames, and the scan.

    Args:
        width: channels of the features.
        enabled: whether frames meet at all.
        order: channels of the state of the scan along the order of focus; 0: no scan.
    """

    def __init__(self, width: int, enabled: bool, order: int = 0) -> None:
        super().__init__()
        self.own = nn.Conv2d(width, width, 1)
        self.shared = nn.Conv2d(2 * width, width, 1, bias=False) if enabled else None
        nn.init.normal_(self.own.weight, std=0.3 * width**-0.5)
        self.order = FrameScan(width, order) if enabled and order else None

    def forward(self, features: Tensor, stacks: int) -> Tensor:
        """(F, C, h, w) -> (F, C, h, w)."""
        own: Tensor = self.own(features)
        if self.order is not None:
            own = own + self.order(features, stacks)
        if self.shared is None:
            return own
        # one product for the whole stack, not one a frame
        return told(own, self.shared(torch.cat(over_frames(features, stacks), 1)), stacks)


class Block(nn.Module):
    """Convolution, then exchange, added to what came in."""

    def __init__(self, width: int, exchange: bool, order: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.exchange = Exchange(width, exchange, order)

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
    """A level of pixels -> features per patch, and the measure of the Laplacian rule per patch."""

    #: Channels beside the pixels: three focus measures and the level of detail common to all frames.
    MEASURES = ENERGIES + 2
    window: Tensor

    def __init__(self, width: int, extra: int, context: int) -> None:
        super().__init__()
        self.pixels = nn.Conv2d(3 * PATCH**2, width, 3, padding=1)
        self.measures = nn.Conv2d(self.MEASURES + extra + context, width, 1)
        line = torch.exp(-0.5 * (torch.arange(-2.0, 3.0) / 0.75) ** 2)
        # with the 4x4 mean before it, a Gaussian of about 3 pixels: the window of the Laplacian rule
        self.register_buffer("window", (line[:, None] * line / line.sum() ** 2)[None, None], persistent=False)

    def forward(
        self, octave: Octave, extra: list[Tensor], context: Tensor | None, stacks: int
    ) -> tuple[Tensor, Tensor]:
        """A level, what else is known per patch, and the coarser level's features (F, C, h/2P, w/2P).

        Returns:
            (F, C, h/P, w/P) and the measure of the Laplacian rule (F, 1, h/P, w/P).
        """
        wide = functional.conv2d(functional.pad(octave.energy[:, :1], (2, 2, 2, 2), mode="replicate"), self.window)
        log_energy = torch.log(torch.cat([octave.energy, wide], 1) + ENERGY_FLOOR)
        measures = relative(log_energy, stacks)
        laplacian = measures[:, ENERGIES:]
        common = log_energy[:, ENERGIES:] - laplacian  # mean over frames, F 1 h/P w/P
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
        return functional.relu(4 * (relative(seen, stacks) + bias[:, None, None]) + side), laplacian


def doubled(planes: Tensor) -> Tensor:
    """Twice the size, bilinear: (F, C, h, w) -> (F, C, 2h, 2w)."""
    return functional.interpolate(planes, scale_factor=2.0, mode="bilinear", align_corners=False)


class Head(nn.Module):
    """Features -> 16 logits a patch, plus the measure of the Laplacian rule times a learned number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, PATCH**2, 3, padding=1)
        self.classic_gain = nn.Parameter(torch.tensor(2.0))
        for value in self.conv.parameters():
            nn.init.zeros_(value)

    def forward(self, features: Tensor, laplacian: Tensor) -> Tensor:
        """(F, C, h/P, w/P) and (F, 1, h/P, w/P) -> logits (F, 1, h, w)."""
        learned = functional.pixel_shuffle(self.conv(features), PATCH)
        smooth = functional.interpolate(laplacian, scale_factor=float(PATCH), mode="bilinear", align_corners=False)
        return learned + self.classic_gain * smooth


class Trust(nn.Module):
    """How far a look may go against the coarser level, place by place: said by the features of that level.

    Fine detail alone can't know that a plain stalk stands before a rich background; the coarser level can. So it says
    how much counts of what the look has learned to see, of the measure of the Laplacian rule, and of its own logits:
    factors from 0 to 2, all 1 at the start.
    """

    MAPS = 3

    def __init__(self, width: int) -> None:
        super().__init__()
        self.say = nn.Conv2d(2 * width, self.MAPS, 1)
        for value in self.say.parameters():
            nn.init.zeros_(value)

    def forward(self, context: Tensor, stacks: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features (F, C, h/2P, w/2P) -> two times (B, 1, h/P, w/P), and (B, 1, h/2, w/2)."""
        said = 2 * self.say(torch.cat(over_frames(context, stacks), 1)).sigmoid()
        learned, measured = doubled(said[:, :2]).chunk(2, 1)
        carried = functional.interpolate(said[:, 2:], scale_factor=float(PATCH), mode="bilinear", align_corners=False)
        return learned, measured, carried
