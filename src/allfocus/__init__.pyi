# The public names and where each is: read by type checkers, and by `__init__.py` for loading on first use.
from . import formats as formats
from . import io as io
from . import metrics as metrics
from .core.notes import Note
from .core.stack import FocalStack
from .decision.decision import Choice, Decision
from .decision.model import FusionModel, ModelCard, load_model
from .decision.painted import PaintedDecision, Stroke
from .decision.stored import load_decision, save_decision
from .errors import (
    AlignmentError,
    AllFocusError,
    BadFramesError,
    BatchError,
    Cancelled,
    ConfigError,
    EndingError,
    MissingExtraError,
    ModelError,
    OptionError,
    PreflightError,
    ReadError,
    ResourceError,
    StackError,
    WriteError,
)
from .formats.read import read_image, read_metadata
from .formats.write import write_image
from .jobs import Event, Job, JobRequest, JobResult
from .metadata.carry import Metadata
from .options import FusionOptions, describe_options, load_options
from .outputs.save import save
from .outputs.wishes import Outputs
from .pipeline import align, compose, decide, fuse
from .plan import Plan, plan_for
from .registered import Registered
from .result import FusionResult, QualityMasks
from .sources.expand import list_frames
from .sources.inspect import read_stack
from .sources.listing import Listing
from .sources.open import open_stack
from .sources.volume import Volume, inspect_volume
from .volumes import VolumeResult, fuse_volume

__all__ = [
    "AlignmentError",
    "AllFocusError",
    "BadFramesError",
    "BatchError",
    "Cancelled",
    "Choice",
    "ConfigError",
    "Decision",
    "EndingError",
    "Event",
    "FocalStack",
    "FusionModel",
    "FusionOptions",
    "FusionResult",
    "Job",
    "JobRequest",
    "JobResult",
    "Listing",
    "Metadata",
    "MissingExtraError",
    "ModelCard",
    "ModelError",
    "Note",
    "OptionError",
    "Outputs",
    "PaintedDecision",
    "Plan",
    "PreflightError",
    "QualityMasks",
    "ReadError",
    "Registered",
    "ResourceError",
    "StackError",
    "Stroke",
    "Volume",
    "VolumeResult",
    "WriteError",
    "align",
    "compose",
    "decide",
    "describe_options",
    "formats",
    "fuse",
    "fuse_volume",
    "inspect_volume",
    "io",
    "list_frames",
    "load_decision",
    "load_model",
    "load_options",
    "metrics",
    "open_stack",
    "plan_for",
    "read_image",
    "read_metadata",
    "read_stack",
    "save",
    "save_decision",
    "write_image",
]

__version__: str
