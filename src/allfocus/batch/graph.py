"""The steps of a task that workers share, as a graph: Dask does each once those before it are done."""

from functools import partial
from typing import TYPE_CHECKING, Any

from allfocus.batch.cluster import Crew
from allfocus.batch.shares import Share, Step
from allfocus.batch.worker import do_step_in_worker

if TYPE_CHECKING:
    from distributed import Future


def submit_share(crew: Crew, share: Share, key: str) -> "Future[Any]":
    """Hand all steps of a task to the scheduler; returns the future of the last one, which says what came of it.

    Args:
        crew: who does it.
        share: what is to be done.
        key: by which Dask knows the attempt.
    """
    submit = partial(crew.client.submit, do_step_in_worker, share, topic=crew.topic, threads=crew.threads, pure=False)
    wholes: list[Any] = []
    first = submit(step := Step(kind="begin"), [], key=f"{key}/{step.name}")
    regions: list[Any] = []
    for step in share.steps:
        before = [first] if step.kind == "whole" else [wholes[step.group]]
        (wholes if step.kind == "whole" else regions).append(submit(step, before, key=f"{key}/{step.name}"))
    return submit(Step(kind="end"), regions, key=key)
