"""allfocus: turn photos focused at different distances into one picture that is sharp everywhere.

Importing this package is cheap: torch, onnxruntime and OpenCV load only when a function needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from allfocus._version import __version__ as __version__

if TYPE_CHECKING:
    from allfocus.core.stack import FocalStack
    from allfocus.decide.model import FusionModel, ModelCard, load_model
    from allfocus.errors import (
        AllFocusError,
        ConfigError,
        MissingExtraError,
        ModelError,
        ReadError,
        StackError,
        WriteError,
    )
    from allfocus.formats.read import read_image
    from allfocus.formats.write import write_image
    from allfocus.options import FusionOptions
    from allfocus.pipeline import fuse
    from allfocus.result import Flaws, FusionResult
    from allfocus.sources.inspect import read_stack
    from allfocus.sources.volume import inspect_volume
    from allfocus.volumes import VolumeResult, fuse_volume

#: Where each public name lives; the name is loaded from there on first use.
_HOMES = {
    "AllFocusError": "errors",
    "ConfigError": "errors",
    "Flaws": "result",
    "FocalStack": "core.stack",
    "FusionModel": "decide.model",
    "FusionOptions": "options",
    "FusionResult": "result",
    "MissingExtraError": "errors",
    "ModelCard": "decide.model",
    "ModelError": "errors",
    "ReadError": "errors",
    "StackError": "errors",
    "VolumeResult": "volumes",
    "WriteError": "errors",
    "fuse": "pipeline",
    "fuse_volume": "volumes",
    "inspect_volume": "sources.volume",
    "load_model": "decide.model",
    "read_image": "formats.read",
    "read_stack": "sources.inspect",
    "write_image": "formats.write",
}

__all__ = [
    "AllFocusError",
    "ConfigError",
    "Flaws",
    "FocalStack",
    "FusionModel",
    "FusionOptions",
    "FusionResult",
    "MissingExtraError",
    "ModelCard",
    "ModelError",
    "ReadError",
    "StackError",
    "VolumeResult",
    "WriteError",
    "fuse",
    "fuse_volume",
    "inspect_volume",
    "load_model",
    "read_image",
    "read_stack",
    "write_image",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'allfocus' has no attribute {name!r}")
    return getattr(import_module(f"allfocus.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
