"""allfocus: turn photos focused at different distances into one picture that is sharp everywhere.

Importing this package is cheap: torch, onnxruntime and OpenCV load only when a function needs them. The public names
stand once, in ``__init__.pyi``; the modules ``allfocus.io`` and ``allfocus.metrics`` load on first use too.
"""

from importlib import import_module
from typing import Any

import lazy_loader

from allfocus._version import __version__ as __version__

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

#: Names that are called otherwise now; the old ones work for one release.
_OLD_NAMES = {"Flaws": ("result", "QualityMasks")}


def __getattr__(name: str) -> Any:
    if name not in _OLD_NAMES:
        return _load(name)
    module, new = _OLD_NAMES[name]
    import_module("allfocus.core.renames").warn_renamed(f"allfocus.{name}", f"allfocus.{new}")
    return getattr(import_module(f"allfocus.{module}"), new)
