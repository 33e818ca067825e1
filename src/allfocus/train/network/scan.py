"""A selective state-space scan (Mamba-2's SSD, arXiv 2405.21060) without custom kernels.

Each head keeps a state h (P x S) and, at every position t of a sequence, decays it by an amount that
depends on the input, adds what it sees and reads out:

    h_t = exp(a_t) h_{t-1} + x_t b_t^T          a_t <= 0: input-dependent log decay
    y_t = h_t c_t

`scan_reference` is that sentence as a loop; `scan` is the same as one product with the matrix of all decays
between two positions. It grows with the square of the length, but the longest sequence here is a side of the
coarsest level, 40 patches: shorter than the chunks into which the paper cuts long ones. Decays are summed
within each segment (mask first, then sum), which keeps them exact; a difference of running sums loses digits.

Symbols in shape comments: B batch, T length, H heads, P head width, S state.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def scan_reference(x: Tensor, log_decay: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The recurrence, one position at a time.

    Args:
        x: (B, T, H, P) input, already scaled by its step size.
        log_decay: (B, T, H), <= 0.
        b: (B, T, S) what each position writes.
        c: (B, T, S) what each position reads.

    Returns:
        (B, T, H, P).
    """
    state = x.new_zeros(x.shape[0], x.shape[2], x.shape[3], b.shape[-1])  # B H P S
    seen = []
    for t in range(x.shape[1]):
        written = x[:, t, :, :, None] * b[:, t, None, None, :]
        state = state * log_decay[:, t, :, None, None].exp() + written
        seen.append((state * c[:, t, None, None, :]).sum(-1))
    return torch.stack(seen, 1)


def decays(log_decay: Tensor) -> Tensor:
    """What is left at position i of what position j wrote: (..., T) -> (..., T, T), 0 where j > i."""
    steps = log_decay[..., :, None] + 0 * log_decay[..., None, :]  # a_i, whatever j
    return torch.tril(torch.cumsum(torch.tril(steps, -1), -2).exp())


def decays_backwards(log_decay: Tensor) -> Tensor:
    """`decays` of the scan that runs from the last position to the first: 0 where j < i."""
    # from j down to i the steps are those of positions j - 1 to i: one place earlier than from i up to j
    earlier = torch.cat([0 * log_decay[..., :1], log_decay[..., :-1]], -1)
    return decays(earlier).transpose(-1, -2)


def scan(x: Tensor, kept: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Every position reads what all positions wrote, as far as it is kept: `scan_reference` with `decays`.

    Args:
        x: (..., H, T, P) input, already scaled by its step size.
        kept: (..., H, T, T), see `decays`.
        b: (..., T, S) what each position writes.
        c: (..., T, S) what each position reads.

    Returns:
        (..., H, T, P).
    """
    read: Tensor = kept * (c @ b.transpose(-1, -2)).unsqueeze(-3)
    return read @ x


class SelectiveScan(nn.Module):
    """A gated selective scan over the last axis but one, in both directions: (..., T, D) -> (..., T, D)."""

    def __init__(self, width: int, state: int, heads: int) -> None:
        super().__init__()
        self.heads, self.state, self.width = heads, state, width
        self.project = nn.Linear(width, 2 * width + 2 * state + heads)
        self.decay_rate = nn.Parameter(torch.linspace(0.0, 2.0, heads))  # log of A: from slow to fast forgetting
        self.skip = nn.Parameter(torch.ones(heads, 1))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)
        # steps of about 0.02 to 0.2 at the start: heads that remember from a few to about fifty positions
        nn.init.constant_(self.project.bias[-heads:], -2.5)

    def forward(self, sequence: Tensor) -> Tensor:
        """Scan (..., T, D) forwards and backwards, gated."""
        parts = self.project(sequence).split([self.width, self.width, self.state, self.state, self.heads], -1)
        x, gate, b, c, step = parts
        step = functional.softplus(step).transpose(-1, -2)  # ... H T
        # stacked and joined again, not reshaped: no size is looked up in the exported graph
        heads = torch.stack(x.split(self.width // self.heads, -1), -3)  # ... H T P
        log_decay = -step * self.decay_rate.exp()[:, None]
        kept = decays(log_decay) + decays_backwards(log_decay)
        mixed = scan(heads * step[..., None], kept, b, c) + heads * self.skip[..., None]
        joined = torch.cat([mixed.select(-3, head) for head in range(self.heads)], -1)  # ... T D
        out: Tensor = self.out(self.norm(joined) * functional.silu(gate))
        return out
