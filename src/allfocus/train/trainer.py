"""The trainer: one training run from its first step to its last, and the files it keeps beside the model."""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from allfocus.errors import ConfigError, ModelError
from allfocus.train.checkpoint import (
    SAME,
    Checkpoint,
    RunFiles,
    load_checkpoint,
    require_fit,
    require_same,
    save_checkpoint,
)
from allfocus.train.config import Recipe
from allfocus.train.curves import Row, write_curve, write_log
from allfocus.train.data import CropSampler, PhotoSet, hold_back, read_photos
from allfocus.train.events import Kind, Listener, TrainingEvent, TrainingInterrupted, ignore, stop_requests
from allfocus.train.network.fusion_network import FusionNetwork
from allfocus.train.onnx.weights import Start, load_start
from allfocus.train.processes import Processes
from allfocus.train.proof import fresh_puzzles
from allfocus.train.puzzles.pixel_groups import Groups, generate
from allfocus.train.step import TrainState, learning_rate, plan_step, schedule_fraction
from allfocus.train.validate import SCORES, Scores, describe, latest_scores, measure, validation_groups

#: Steps between rows of the log.
ROW_STEPS = 10

#: Steps whose crops are drawn ahead, each in a thread of its own. A GPU is done with a step before one is drawn; on the
#: CPU drawing takes little beside the step, and more threads would take its cores.
AHEAD = {"cpu": 1, "cuda": 4}

#: A run of one process.
ALONE = Processes()


class Trainer:
    """One training run from its start, or from where it was interrupted, to its end.

    Args:
        recipe: what the run depends on, except the photos.
        device: where to compute.
        files: what it keeps.
        listener: called with every event.
        processes: that train together.
        clock: seconds from any start.
        started: when, by that clock, the time limit began to run; by default now.

    Attributes:
        state: network, averaged weights, optimiser.
        reserve: minutes of the time limit that are kept for what comes after the last step.
        step: optimiser steps done.
        rows: the log so far.
        losses: of the steps since the last row.
        loss: mean over the latest row.
        scores: the latest measurement.
        start: the weights that the run started from, to prove the gain over; None: from nothing, or it was resumed.
        proofs: puzzles to prove the gain on, by what they are made of.
    """

    photos: PhotoSet
    sampler: CropSampler
    measuring: CropSampler
    held_back: list[Groups]

    def __init__(
        self,
        recipe: Recipe,
        device: torch.device,
        files: RunFiles,
        listener: Listener = ignore,
        *,
        processes: Processes = ALONE,
        clock: Callable[[], float] = time.monotonic,
        started: float | None = None,
    ) -> None:
        self.recipe, self.device, self.files, self.processes = recipe, device, files, processes
        self.listener = listener if processes.leads else ignore
        self.state = TrainState(recipe, device)
        self.step = 0
        self.rows: list[Row] = []
        self.losses: list[float] = []
        self.loss = math.nan
        self.rate = 0.0
        self.scores: Scores | None = None
        self.start: FusionNetwork | None = None
        self.proofs: dict[str, Sequence[Groups]] = {}
        self.clock = clock
        self.started = self.saved = clock() if started is None else started
        self.minutes_before = self.reserve = 0.0
        self.stretch = (0, self.started)  # step and time at which this start of the run began to learn

    @property
    def minutes(self) -> float:
        """Wall-clock time spent so far, earlier stretches of a resumed run included."""
        return self.minutes_before + (self.clock() - self.started) / 60

    @property
    def fraction(self) -> float:
        """How much of the schedule is done, 0 to 1."""
        return schedule_fraction(self.recipe.training, self.step, self.minutes, self.reserve)

    def read(self, inputs: Sequence[Path]) -> None:
        """Read the photos and set some aside to measure on."""
        config, seed = self.recipe.data, self.recipe.seed

        def reading(stage: str, done: int, total: int) -> None:
            self.listener(TrainingEvent(kind="read", done=done, total=total))

        self.photos = read_photos(inputs, max(config.crop, config.large_crop), reading)
        for line in self.photos.skipped:
            self.tell("note", f"skipped {line}")
        learning, measuring = hold_back(self.photos.images, config.held_back, seed)
        if len(learning) == len(self.photos.images):
            self.tell("note", "no photos held back: the PSNRs are measured on other crops of the training photos")
        self.sampler = CropSampler(learning, config, seed)
        # seeds of recipes are below 2**31, so no recipe draws the crops that another one measures on
        self.measuring = CropSampler(measuring, config, seed + 2**31)
        self.held_back = validation_groups(self.measuring, self.recipe)
        self.proofs["held-back puzzles"] = fresh_puzzles(self.measuring, self.recipe)

    def start_from(self, resume: Path | None, init: Path | None) -> None:
        """Go on from the checkpoint `resume`, or start with the weights of `init`, or from nothing."""
        if resume and init:
            raise ConfigError("resume and init: expected one of them, found both")
        if init:
            self.adopt(load_start(init), init)
        if resume:
            self.restore(load_checkpoint(resume), resume)
        elif self.processes.leads and self.files.checkpoint.exists():
            spare = self.files.spare
            self.files.checkpoint.replace(spare)
            self.tell("note", f"an earlier run's checkpoint is now {spare}")
        self.stretch = (self.step, self.clock())

    def adopt(self, start: Start, source: Path) -> None:
        """Take over the averaged weights of another run."""
        require_same(source, start.recipe, self.recipe, ["network"])
        require_fit(source, start.weights, self.state.network)
        self.state.network.load_state_dict(start.weights)
        self.state.ema.load_state_dict(start.weights)
        self.start = deepcopy(self.state.ema)

    def restore(self, saved: Checkpoint, source: Path) -> None:
        """Take over everything from a checkpoint of this run."""
        require_same(source, saved.recipe, self.recipe, SAME)
        require_fit(source, saved.network, self.state.network)
        require_fit(source, saved.ema, self.state.network)
        if saved.photos != self.fingerprint():
            self.tell(
                "note", f"the photos are not those of {source}: the run goes on, but not exactly as it would have"
            )
        self.state.network.load_state_dict(saved.network)
        self.state.ema.load_state_dict(saved.ema)
        self.step, self.minutes_before = saved.step, saved.minutes
        self.rows, self.losses = list(saved.rows), list(saved.losses)
        try:
            self.state.optimizer.load_state_dict(saved.optimizer)
            self.scores = latest_scores(self.rows)
            self.loss = (self.rows[-1]["loss"] if self.rows else None) or math.nan
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise ModelError(f"{source} is damaged: its optimiser or its log make no sense ({error})") from error

    def learn(self) -> Scores:
        """Step until the schedule is done; measure, log and save on the way.

        Returns:
            The last measurement.

        Raises:
            TrainingInterrupted: Ctrl-C or SIGTERM came, and the state is saved.
        """
        config = self.recipe.training
        self.state.join(self.processes)
        ahead = AHEAD[self.device.type]
        with stop_requests() as stop, ThreadPoolExecutor(ahead) as pool:
            crops = deque(pool.submit(self.draw_crops, self.step + k) for k in range(ahead))
            if self.step == 0 and self.fraction >= 1:
                raise ConfigError(f"minutes: {config.minutes} were over before the first step; allow more")
            while (fraction := self.processes.leading(self.fraction)) < 1:
                ready = crops.popleft().result()
                crops.append(pool.submit(self.draw_crops, self.step + ahead))
                self.take_step(ready, fraction)
                if self.step % config.validate_every == 0:
                    self.validate()
                elif self.step % ROW_STEPS == 0:
                    self.add_row(None)
                if self.processes.any(stop()):
                    self.save()
                    raise TrainingInterrupted(self.files.checkpoint, self.step)
                if self.clock() - self.saved >= 60 * config.checkpoint_minutes:
                    self.save()
            scores = self.validate()
            self.save()
        return scores

    def draw_crops(self, step: int) -> Tensor:
        """The crops of a step, this process's own; drawn on the CPU while steps before it are computed."""
        plan = plan_step(self.recipe, step)
        return self.sampler.batch(step * self.processes.count + self.processes.rank, plan.groups, plan.crop)

    def take_step(self, crops: Tensor, fraction: float) -> None:
        """Shuffle the crops into groups and learn from them once."""
        plan = plan_step(self.recipe, self.step)
        rng = torch.Generator(self.device).manual_seed(plan.seed + self.processes.rank)
        groups = generate(crops.to(self.device), self.recipe.shuffle, plan.frames, rng)
        self.rate = learning_rate(self.recipe.training, self.step, fraction)
        self.losses.append(self.state.update(groups, plan.octaves, self.rate, self.step))
        self.step += 1
        self.tell("step")

    def validate(self) -> Scores:
        """Measure the averaged weights, once a step, and bring the log up to date; all processes do, one writes."""
        latest = self.rows[-1] if self.rows else {}
        if self.scores is None or latest.get("step") != self.step or latest.get("network") is None:
            self.scores = measure(self.state.ema, self.held_back, self.recipe.training.octaves_max)
            self.add_row(self.scores)
            self.tell("validation", describe(self.step, self.loss, self.scores))
        if self.processes.leads:
            write_log(self.files.log, self.rows)
        return self.scores

    def add_row(self, scores: Scores | None) -> None:
        """Add a line to the log: the mean loss since the line before, and the scores if there are any."""
        self.loss = self.recent_loss()
        self.losses = []
        values = asdict(scores) if scores else dict.fromkeys(SCORES)
        row = {"step": self.step, "minutes": round(self.minutes, 3), "learning_rate": self.rate, "loss": self.loss}
        self.rows.append({**row, **values})

    def recent_loss(self) -> float:
        """Mean loss since the last row of the log, or of that row if it is the latest; NaN before the first step."""
        return sum(self.losses) / len(self.losses) if self.losses else self.loss

    def save(self) -> None:
        """Write checkpoint, log and plot; what every process has is the same but for its own losses."""
        self.saved = self.clock()
        if not self.processes.leads:
            return
        saved = Checkpoint(
            recipe=self.recipe,
            photos=self.fingerprint(),
            step=self.step,
            minutes=self.minutes,
            network=self.state.network.state_dict(),
            ema=self.state.ema.state_dict(),
            optimizer=self.state.optimizer.state_dict(),
            rows=self.rows,
            losses=self.losses,
        )
        save_checkpoint(self.files.checkpoint, saved)
        write_log(self.files.log, self.rows)
        write_curve(self.files.curve, self.rows)
        self.tell("checkpoint", str(self.files.checkpoint))

    def fingerprint(self) -> list[str]:
        """Name and size of every photo."""
        sizes = (f"{image.shape[1]}x{image.shape[0]}" for image in self.photos.images)
        return [f"{name} {size}" for name, size in zip(self.photos.names, sizes, strict=True)]

    def tell(self, kind: Kind, message: str = "") -> None:
        """Send an event with where the run stands."""
        steps, seconds = self.step - self.stretch[0], self.clock() - self.stretch[1]
        loss = self.recent_loss()
        event = TrainingEvent(
            kind=kind,
            message=message,
            done=self.step,
            total=self.recipe.training.steps,
            fraction=self.fraction,
            rate=steps / seconds if steps and seconds > 0 else 0.0,
            remaining=self.remaining(seconds / steps) if steps else None,
            loss=None if math.isnan(loss) else loss,
            scores=self.scores,
        )
        self.listener(event)

    def remaining(self, step_seconds: float) -> float:
        """Estimated seconds to the end of the schedule."""
        config = self.recipe.training
        by_steps = (config.steps - self.step) * step_seconds
        by_minutes = 60 * (config.minutes - self.minutes) if config.minutes is not None else by_steps
        return max(0.0, min(by_steps, by_minutes))
