"""A selective state-space scan (Mamba-2's SSD, arXiv 2405.21060) without custom kernels.

Each head keeps a state h (P x S) and, at every position t of a sequence, decays it by an amount that
depends on the input, adds what it sees and reads out:

    h_t = exp(a_t) h_{t-1} + x_t b_t^T          a_t <= 0: input-dependent log decay
    y_t = h_t c_t

`scan_reference` is that sentence as a loop; `scan` is the same in chunks of matrix products, which trains
fast and exports to ONNX. A segment sum (mask first, then sum) keeps the decays between any two positions
exact; a difference of running sums loses digits on long sequences.

Symbols in shape comments: B batch, T length, H heads, P head width, S state, K chunks, Q chunk length.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

CHUNK = 16


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


def segment_sum(steps: Tensor, length: int) -> Tensor:
    """Sums over segments: (..., Q) -> (..., Q, Q), entry (i, j) = steps[j+1] + ... + steps[i], -inf where j > i.

    `length` is Q again: given as a number, it makes the masks constants of the exported graph.
    """
    order = torch.arange(length, device=steps.device)
    below = order[:, None] > order[None, :]
    sums = torch.cumsum(steps[..., :, None] * below, -2)
    return sums.masked_fill(order[:, None] < order[None, :], -torch.inf)


def scan(x: Tensor, log_decay: Tensor, b: Tensor, c: Tensor, chunk: int = CHUNK) -> Tensor:
    """`scan_reference` in chunks: attention-like products inside a chunk, one carried state between chunks.

    Arguments and result as `scan_reference`; any length (the end is padded with positions that write nothing).
    """
    length = x.shape[1]
    # plain numbers: constants of the exported graph, where sizes that are looked up cost a handful of operators each
    heads, width, state = int(x.shape[2]), int(x.shape[3]), int(b.shape[-1])
    parts = [heads * width, heads, state, state]
    # one tensor, so that padding and cutting into chunks happen once
    packed = torch.cat([x.flatten(2), log_decay, b, c], -1)
    packed = functional.pad(packed, (0, 0, 0, -length % chunk))
    # reshape, not `unflatten`, which would fix the traced length in the exported graph
    packed = packed.reshape(packed.shape[0], -1, chunk, sum(parts))  # B K Q *
    x, log_decay, b, c = packed.split(parts, -1)
    x = torch.stack(x.split(width, -1), 1)  # B H K Q P
    log_decay = log_decay.permute(0, 3, 1, 2)  # B H K Q
    b, c = b[:, None], c[:, None]  # B 1 K Q S
    total = torch.cumsum(log_decay, -1)[..., None]  # B H K Q 1
    local = (segment_sum(log_decay, chunk).exp() * (c @ b.transpose(-1, -2))) @ x  # B H K Q P
    # what each chunk leaves behind at its end, and what of it reaches the start of each later chunk
    left = b.transpose(-1, -2) @ (x * (total[..., -1:, :] - total).exp())  # B H K S P
    steps = functional.pad(total[..., -1, 0], (1, 0))  # B H K+1
    carry = segment_sum(steps, steps.shape[-1]).exp()[..., :-1, 1:]  # B H K K: end of chunk j to start of chunk i
    # states as one more batch axis, not folded into the last: that would need shapes in the exported graph
    entering = (carry[:, :, None] @ left.transpose(2, 3)).transpose(2, 3)  # B H K S P
    carried = (c @ entering) * total.exp()  # B H K Q P
    return (local + carried).permute(0, 2, 3, 1, 4).flatten(1, 2)[:, :length]


class SelectiveScan(nn.Module):
    """A gated selective scan over one axis, in both directions: (B, T, D) -> (B, T, D)."""

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
        """Scan (B, T, D) forwards and backwards, gated."""
        parts = self.project(sequence).split([self.width, self.width, self.state, self.state, self.heads], -1)
        x, gate, b, c, step = parts
        step = functional.softplus(step)  # B T H
        heads = x.reshape(*x.shape[:2], self.heads, -1)  # B T H P
        written = heads * step[..., None]
        log_decay = -step * self.decay_rate.exp()
        # both directions as one batch: half as many operators in the exported graph, which loads in half the time
        written, log_decay, b, c = (torch.cat([part, part.flip(1)]) for part in (written, log_decay, b, c))
        read = scan(written, log_decay, b, c)
        forward, backward = read.chunk(2)
        backward = backward.flip(1)
        mixed = (forward + backward + heads * self.skip).flatten(-2)
        out: Tensor = self.out(self.norm(mixed) * functional.silu(gate))
        return out
