"""What frames learn of those before and behind them: a selective state-space scan along the order of focus.

Mean and maximum over the frames can't know that two frames are neighbours; occlusion is about nearer and farther, and
a stack is a sequence. Every place of the picture has a state of its own, of a number a channel, which goes from frame
to frame: it decays by what the frame says, and takes up what the frame writes,

    h_n = k_n h_{n-1} + (1 - k_n) v_n          0 < k_n < 1

the diagonal selective recurrence of Mamba (arXiv 2312.00752) with one state a channel. It runs from the first frame to
the last and back, with the same weights; what is read is the sum of both states and the size of their difference. So a
stack that is given from far to near is answered as the one from near to far.

Symbols in shape comments as in `fusion_network`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from allfocus.train.network.features import by_stack

#: Name of the recurrence among the operators of a traced graph, before `onnx.over_frames` writes it out.
OPERATOR = "FrameRecurrence"


def recurrence(kept: Tensor, written: Tensor) -> Tensor:
    """States of the scan from the first frame to the last: (..., N, C, h, w), what is kept and what is written."""
    state = torch.zeros_like(written.select(-4, 0))
    states = []
    for keep, write in zip(kept.unbind(-4), written.unbind(-4), strict=True):
        state = torch.addcmul(write, keep, state)
        states.append(state)
    return torch.stack(states, -4)


def recurrence_backwards(kept: Tensor, written: Tensor) -> Tensor:
    """`recurrence` from the last frame to the first."""
    return recurrence(kept.flip(-4), written.flip(-4)).flip(-4)


class TracedRecurrence(torch.autograd.Function):
    """`recurrence` as one operator of the exported graph: a loop in torch would fix the number of frames there."""

    @staticmethod
    def forward(context: Any, kept: Tensor, written: Tensor, backwards: bool) -> Tensor:
        """States, (N, C, h, w)."""
        return (recurrence_backwards if backwards else recurrence)(kept, written)

    @staticmethod
    def symbolic(graph: Any, kept: Any, written: Any, backwards: bool) -> Any:
        """The operator that stands for it."""
        found = graph.op(f"allfocus::{OPERATOR}", kept, written, backwards_i=int(backwards))
        found.setType(written.type())
        return found


class FrameScan(nn.Module):
    """What every frame hears of those before and behind it, (F, C, h, w) -> (F, C, h, w).

    Args:
        width: channels of the features, C.
        channels: of the state.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.write = nn.Conv2d(width, 2 * channels, 1)
        self.read = nn.Conv2d(2 * channels, width, 1, bias=False)
        assert self.write.bias is not None
        nn.init.constant_(self.write.bias[channels:], 1.0)  # states last for a few frames
        nn.init.normal_(self.read.weight, std=0.1 * channels**-0.5)

    def forward(self, features: Tensor, stacks: int) -> Tensor:
        """Features in the order of focus, in which direction does not matter."""
        value, keep = self.write(features).chunk(2, 1)
        kept = keep.sigmoid()
        written = (1 - kept) * value
        if torch.onnx.is_in_onnx_export():
            traced: Callable[..., Tensor] = TracedRecurrence.apply
            on, back = (traced(kept, written, backwards) for backwards in (False, True))
        else:
            grouped = by_stack(kept, stacks), by_stack(written, stacks)
            on, back = (run(*grouped).flatten(0, 1) for run in (recurrence, recurrence_backwards))
        heard: Tensor = self.read(torch.cat([on + back, (on - back).abs()], 1))
        return heard
