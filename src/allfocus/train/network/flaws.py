"""Where no choice among the frames is good.

Symbols in shape comments as in `fusion_network`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from allfocus.train.network.features import (
    ENERGY_FLOOR,
    PATCH,
    laplacian_energy,
    over_frames,
    patch_kernel,
    shares,
    summed,
    told,
)


class Flaws(nn.Module):
    """Where no choice among the frames is good: sharp in no frame, or veiled by the blur of something nearer.

    It looks at what was picked, at how its detail falls off from level to level, which tells how blurred it is,
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
            pixels: (F, 3, h, w) of a level.
            logits: (F, 1, h, w) that decide it.
            context: (F, C, h/2P, w/2P), features of the next coarser level.
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
