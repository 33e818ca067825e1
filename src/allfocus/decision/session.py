"""Sessions of onnxruntime: where and how a network computes. With the export check of training its only user."""

from functools import cache
from pathlib import Path
from typing import Any

from allfocus.errors import ModelError
from allfocus.run.machine import measure_free_memory
from allfocus.run.workers import cpus

#: Bytes that models from elsewhere may use together: a base, some for each processor, since tiles are worked on side by
#: side, and no more than a share of what is free when the first of them is loaded.
BASE, EACH, SHARE = 1_000_000_000, 500_000_000, 0.7
PROVIDERS = ["CPUExecutionProvider"]


def describe_providers() -> str:
    """What computes networks, of all that this onnxruntime could use; or why it can't be loaded."""
    try:
        import onnxruntime
    except ImportError as error:
        return f"onnxruntime can't be loaded: {error}"
    return f"networks run on {', '.join(PROVIDERS)}; onnxruntime has {', '.join(onnxruntime.get_available_providers())}"


def open_session(path: Path, content: bytes, is_large: bool, is_ours: bool) -> Any:
    """Open a model; raises `ModelError` where it is damaged.

    Args:
        path: the file that it is from.
        content: what is in it.
        is_large: whether to optimise the graph for many pixels.
        is_ours: whether it came with the package; the memory of others is limited.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is said once, by the exception
    # the file is simplified already: what is left to optimise is the order of numbers in memory, for this processor
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if is_large else level.ORT_DISABLE_ALL
    # threads that wait give the core back: spinning saves little time and costs much work
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # tiles differ in size, so a plan of the memory of one is of no use for the next
    options.enable_mem_pattern = False
    # tiles are worked on side by side, a thread each
    options.intra_op_num_threads = 1
    left_out = []
    if not is_ours:
        limit_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        left_out = ["ConstantFolding"]  # it computes before any limit holds, and ours leave it nothing to do
    try:
        return onnxruntime.InferenceSession(content, options, providers=PROVIDERS, disabled_optimizers=left_out)
    # onnxruntime raises classes of its own that share no public root
    except Exception as error:
        raise ModelError(f"{path}: corrupt, or no ONNX model at all; get or train it again") from error


@cache
def limit_memory() -> None:
    """Limit, once for this process, the memory of all sessions that share their allocator."""
    import onnxruntime

    kinds = onnxruntime.OrtAllocatorType, onnxruntime.OrtMemType
    place = onnxruntime.OrtMemoryInfo("Cpu", kinds[0].ORT_ARENA_ALLOCATOR, 0, kinds[1].DEFAULT)
    most = min(BASE + EACH * cpus(), int(SHARE * measure_free_memory()))
    limit = onnxruntime.OrtArenaCfg({"max_mem": most})
    onnxruntime.create_and_register_allocator(place, limit)
