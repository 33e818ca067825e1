"""allfocus: turn photos focused at different distances into one picture that is sharp everywhere.

Importing this package is cheap: torch, onnxruntime and OpenCV load only when a function needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allfocus.errors import (
        AllFocusError,
        ConfigError,
        MissingExtraError,
        ModelError,
        ReadError,
        StackError,
        WriteError,
    )
    from allfocus.io import inspect_volume, read_image, read_stack, write_image
    from allfocus.model import FusionModel, ModelCard, load_model
    from allfocus.options import FusionOptions
    from allfocus.pipeline import fuse
    from allfocus.stack import Flaws, FocalStack, FusionResult
    from allfocus.volumes import VolumeResult, fuse_volume

__version__ = "0.1.0"

#: Where each public name lives; the name is loaded from there on first use.
_HOMES = {
    "AllFocusError": "errors",
    "ConfigError": "errors",
    "Flaws": "stack",
    "FocalStack": "stack",
    "FusionModel": "model",
    "FusionOptions": "options",
    "FusionResult": "stack",
    "MissingExtraError": "errors",
    "ModelCard": "model",
    "ModelError": "errors",
    "ReadError": "errors",
    "StackError": "errors",
    "VolumeResult": "volumes",
    "WriteError": "errors",
    "fuse": "pipeline",
    "fuse_volume": "volumes",
    "inspect_volume": "io",
    "load_model": "model",
    "read_image": "io",
    "read_stack": "io",
    "write_image": "io",
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
