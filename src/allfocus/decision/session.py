"""Sessions of onnxruntime: where and how a network computes. With the export check of training its only user."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from allfocus.core.color import Array
from allfocus.errors import MissingExtraError, ModelError, printable
from allfocus.options import Device
from allfocus.run.loading import loading
from allfocus.run.machine import measure_free_memory
from allfocus.run.workers import cpus

#: Bytes that models from elsewhere may use together: a base, some for each processor, since tiles are worked on side by
#: side, and no more than a share of what is free when the first of them is loaded.
BASE, EACH, SHARE = 1_000_000_000, 500_000_000, 0.7
PROCESSOR = "CPUExecutionProvider"


def describe_providers() -> str:
    """What computes networks, of all that this onnxruntime could use; or why it can't be loaded."""
    try:
        import onnxruntime
    except ImportError as error:
        return f"onnxruntime can't be loaded: {error}"
    there = ", ".join(onnxruntime.get_available_providers())
    return f"networks run on {PROCESSOR}, or as --device says; onnxruntime has {there}"


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """A device that some builds of onnxruntime compute on.

    Attributes:
        provider: what they call it.
        settings: of it, see the provider's own page.
        install: where such a build is from.
        is_shared: whether several threads may run one session at once.
        is_extra: whether such a build was installed on purpose, so that `auto` means it.
    """

    provider: str
    settings: Mapping[str, str] = field(default_factory=dict)
    install: str
    is_shared: bool = False
    is_extra: bool = True


#: By their names as an option, the best first. CUDA's heuristics, since tiles differ in size and a search for the
#: fastest way to convolve starts anew with each; and without its 10-bit products.
ACCELERATORS: Mapping[str, Accelerator] = {
    "cuda": Accelerator(
        provider="CUDAExecutionProvider",
        settings={"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"},
        install="pip uninstall onnxruntime, pip install onnxruntime-gpu (NVIDIA, Linux or Windows)",
        is_shared=True,
    ),
    "dml": Accelerator(
        provider="DmlExecutionProvider",
        install="pip uninstall onnxruntime, pip install onnxruntime-directml (Windows)",
    ),
    "coreml": Accelerator(
        provider="CoreMLExecutionProvider", install="pip install onnxruntime (on a Mac)", is_extra=False
    ),
}


@dataclass(frozen=True, kw_only=True)
class Session:
    """A model that is open.

    Attributes:
        session: of onnxruntime.
        device: where it computes.
        note: what a user should know of that; empty: nothing.
        one_at_a_time: held while it computes, where threads must take turns.
    """

    session: Any
    device: str
    note: str = ""
    one_at_a_time: AbstractContextManager[Any] = field(default_factory=nullcontext)

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Array], options: Any = None) -> list[Any]:
        """What the model makes of its inputs."""
        with self.one_at_a_time:
            found: list[Any] = self.session.run(outputs, inputs, options)
        return found


def open_session(path: Path, content: bytes, is_large: bool, is_ours: bool, device: Device = "cpu") -> Session:
    """Open a model.

    Args:
        path: the file that it is from.
        content: what is in it.
        is_large: whether to optimise the graph for many pixels.
        is_ours: whether it came with the package; the memory of others is limited.
        device: where it computes; `auto`: where this onnxruntime can but for the processor, or there.

    Raises:
        ModelError: it is damaged.
        MissingExtraError: the device that is named can't be used.
    """
    chosen, problem = choose_device(device), ""
    if chosen != "cpu":
        opened = open_on(chosen, content, is_large, is_ours)
        if isinstance(opened, Session):
            return opened
        problem = f"device {chosen}: it can't be used here ({opened})"
        if device != "auto":
            raise MissingExtraError(f"{problem}; see to its drivers and libraries, or choose --device cpu")
    opened = open_on("cpu", content, is_large, is_ours)
    if isinstance(opened, str):
        raise ModelError(f"{path}: corrupt, or no ONNX model at all; get or train it again")
    return replace(opened, note=f"{problem}, so that the processor computes" if problem else "")


def choose_device(device: Device) -> str:
    """The device that is meant, which this onnxruntime knows; raises `MissingExtraError` where it does not."""
    if device == "cpu":
        return device
    import onnxruntime

    there = onnxruntime.get_available_providers()
    known = [name for name, accelerator in ACCELERATORS.items() if accelerator.provider in there]
    if device == "auto":
        return next((name for name in known if ACCELERATORS[name].is_extra), "cpu")
    if device not in known:
        raise MissingExtraError(
            f"device {device}: the onnxruntime that is installed computes on {', '.join([*known, 'cpu'])} alone; "
            f"for {device}: {ACCELERATORS[device].install}"
        )
    return device


def open_on(device: str, content: bytes, is_large: bool, is_ours: bool) -> Session | str:
    """A model on a device; or in a line why it can't be opened there."""
    with loading():
        import onnxruntime

    providers: list[Any] = [PROCESSOR]  # which has all that others leave out
    accelerator = ACCELERATORS.get(device)
    if accelerator is not None:
        providers.insert(0, (accelerator.provider, dict(accelerator.settings)))
    options, left_out = make_options(is_large), []
    if not is_ours:
        limit_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        left_out = ["ConstantFolding"]  # it computes before any limit holds, and ours leave it nothing to do
    try:
        session = onnxruntime.InferenceSession(
            content, options, providers=providers, disabled_optimizers=left_out, enable_fallback=0
        )
    # onnxruntime raises classes of its own that share no public root
    except Exception as error:
        return printable(str(error).strip().partition("\n")[0]) or type(error).__name__
    if accelerator is None:
        return Session(session=session, device=device)
    if accelerator.provider not in session.get_providers():
        return "onnxruntime finds no such device, or not all of its libraries"
    return Session(session=session, device=device, one_at_a_time=nullcontext() if accelerator.is_shared else Lock())


def make_options(is_large: bool) -> Any:
    """How a session works, wherever it does."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is said once, by the exception
    # the basic steps take less time than they save in opening alone, and change no number; all of them also put numbers
    # into another order in memory, for this processor
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if is_large else level.ORT_ENABLE_BASIC
    # threads that wait give the core back: spinning saves little time and costs much work
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # tiles differ in size, so a plan of the memory of one is of no use for the next
    options.enable_mem_pattern = False
    # tiles are worked on side by side, a thread each
    options.intra_op_num_threads = 1
    return options


@cache
def release_options() -> Any:
    """What to run a session with so that it gives back, in the end, the memory that it keeps for the next run."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


@cache
def limit_memory() -> None:
    """Limit, once for this process, the memory of all sessions that share their allocator."""
    import onnxruntime

    kinds = onnxruntime.OrtAllocatorType, onnxruntime.OrtMemType
    place = onnxruntime.OrtMemoryInfo("Cpu", kinds[0].ORT_ARENA_ALLOCATOR, 0, kinds[1].DEFAULT)
    most = min(BASE + EACH * cpus(), int(SHARE * measure_free_memory()))
    limit = onnxruntime.OrtArenaCfg({"max_mem": most})
    onnxruntime.create_and_register_allocator(place, limit)
