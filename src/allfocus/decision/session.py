"""Sessions of onnxruntime: where and how a network computes. With the export check of training its only user."""

from pathlib import Path
from typing import Any

from allfocus.errors import ModelError


def open_session(path: Path, is_large: bool) -> Any:
    """Open a model file; raises `ModelError` where it can't be read or is damaged.

    Args:
        path: the file.
        is_large: whether to optimise the graph for many pixels.
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
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror})") from error
    # onnxruntime raises classes of its own that share no public root
    except Exception as error:
        raise ModelError(f"{path}: corrupt, or no ONNX model at all; get or train it again") from error
