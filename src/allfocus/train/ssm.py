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


def segment_sum(steps: Tensor) -> Tensor:
    """Sums over segments: (..., Q) -> (..., Q, Q), entry (i, j) = steps[j+1] + ... + steps[i], -inf where j > i."""
    length = steps.shape[-1]
    order = torch.arange(length, device=steps.device)
    repeated = steps[..., :, None].expand(*steps.shape, length)
    below = order[:, None] > order[None, :]
    sums = torch.cumsum(torch.where(below, repeated, torch.zeros_like(repeated)), -2)
    allowed = order[:, None] >= order[None, :]
    return torch.where(allowed, sums, torch.full_like(sums, -torch.inf))


def scan(x: Tensor, log_decay: Tensor, b: Tensor, c: Tensor, chunk: int = CHUNK) -> Tensor:
    """`scan_reference` in chunks: attention-like products inside a chunk, one carried state between chunks.

    Arguments and result as `scan_reference`; any length (the end is padded with positions that write nothing).
    """
    length = x.shape[1]
    missing = -length % chunk
    x, b, c = (_chunked(value, missing, chunk) for value in (x, b, c))  # B K Q ...
    log_decay = _chunked(log_decay, missing, chunk).permute(0, 3, 1, 2)  # B H K Q
    within = segment_sum(log_decay).exp()  # B H K Q Q
    total = torch.cumsum(log_decay, -1)  # B H K Q
    read = torch.einsum("bkis,bkjs->bkij", c, b)  # B K Q Q
    local = torch.einsum("bhkij,bkij,bkjhp->bkihp", within, read, x)
    # what each chunk leaves behind at its end, and what of it reaches the start of each later chunk
    to_end = (total[..., -1:] - total).exp()  # B H K Q
    left = torch.einsum("bkjs,bhkj,bkjhp->bkhps", b, to_end, x)
    carry = segment_sum(functional.pad(total[..., -1], (1, 0))).exp()[..., :-1, 1:]  # B H K K, chunk j -> before chunk i
    entering = torch.einsum("bhij,bjhps->bihps", carry, left)
    carried = torch.einsum("bkis,bkhps,bhki->bkihp", c, entering, total.exp())
    return (local + carried).flatten(1, 2)[:, :length]


def _chunked(value: Tensor, missing: int, chunk: int) -> Tensor:
    """(B, T, ...) -> (B, K, chunk, ...), padded with zeros at the end."""
    padding = [0, 0] * (value.dim() - 2) + [0, missing]
    # reshape, not `unflatten`, which would fix the traced length in the exported graph
    return functional.pad(value, padding).reshape(value.shape[0], -1, chunk, *value.shape[2:])


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
        parts = self.project(sequence).split([self.width, self.width, self.state, self.state, self.heads], -1)
        x, gate, b, c, step = parts
        step = functional.softplus(step)  # B T H
        heads = x.reshape(*x.shape[:2], self.heads, -1)  # B T H P
        written = heads * step[..., None]
        log_decay = -step * self.decay_rate.exp()
        forward = scan(written, log_decay, b, c)
        backward = scan(*(value.flip(1) for value in (written, log_decay, b, c))).flip(1)
        mixed = (forward + backward + heads * self.skip).flatten(-2)
        out: Tensor = self.out(self.norm(mixed) * functional.silu(gate))
        return out
