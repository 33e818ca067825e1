"""Several processes that train one network together, as `torchrun` starts them: on several GPUs, cores or machines.

Every process makes puzzles of its own, a whole batch a step; the gradients are averaged by torch's
DistributedDataParallel. So P processes are as one with batches P times as large. They talk through gloo, on GPUs
too: a gradient is a megabyte.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from allfocus.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Processes:
    """The processes of a run, seen from one of them.

    Attributes:
        rank: number of this one, from 0; the first one measures, writes and speaks for all.
        count: how many there are.
        local_rank: number of this one among those of its machine: of the GPU that it takes.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.rank == 0

    def joined(self, network: nn.Module) -> nn.Module:
        """The network with the first process's weights, whose gradients are averaged over all processes."""
        if self.count == 1:
            return network
        # with few octaves the look at the middle ones has nothing to do in a step
        return DistributedDataParallel(network, find_unused_parameters=True)

    def any(self, value: bool) -> bool:
        """Whether it is so in any of the processes."""
        return self.largest(float(value)) > 0

    def leading(self, value: float) -> float:
        """What the first process says, not below 0: clocks differ."""
        return self.largest(value if self.leads else 0.0)

    def largest(self, value: float) -> float:
        """The largest of what the processes say."""
        if self.count == 1:
            return value
        said = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(said, distributed.ReduceOp.MAX)
        return float(said)


def here() -> Processes:
    """This process among those that `torchrun` started, by its environment; one alone without it.

    Raises:
        ConfigError: the variables of `torchrun` are no numbers.
    """
    names = {"rank": "RANK", "count": "WORLD_SIZE", "local_rank": "LOCAL_RANK"}
    try:
        found = {field: int(os.environ[name]) for field, name in names.items() if name in os.environ}
    except ValueError as error:
        raise ConfigError(f"{', '.join(names.values())}: expected numbers, as torchrun sets them ({error})") from error
    return Processes(**found) if found.get("count", 1) > 1 else Processes()


@contextmanager
def connected() -> Iterator[Processes]:
    """The processes of this run, able to talk to each other within the block.

    Raises:
        ConfigError: they can't reach each other.
    """
    processes = here()
    if processes.count == 1:
        yield processes
        return
    try:
        distributed.init_process_group("gloo", rank=processes.rank, world_size=processes.count)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"the {processes.count} processes of this run can't be joined: {error}") from error
    try:
        yield processes
    finally:
        distributed.destroy_process_group()
