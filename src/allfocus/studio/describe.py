"""Describe: all that a page shows when it opens, in values that JSON knows."""

from typing import Any

from allfocus.options import FusionOptions, describe_options, plain_options
from allfocus.outputs.wishes import FROM_DEPTH, NAMED
from allfocus.studio.entrance import describe_choices
from allfocus.studio.session import Session
from allfocus.studio.tiles import SIDE

#: Options that are not in the page's form: they name files, say what the machine may use, or are chosen elsewhere.
HIDDEN = (
    *("draft", "model", "transforms", "max_tile", "device", "max_memory", "max_pixels", "spool", "reference", "stack"),
    "depth",
)


def describe_session(session: Session) -> dict[str, Any]:
    """All that a page shows when it opens."""
    with session.lock:
        listing, options = session.listing, session.request.options
        found: dict[str, Any] = {
            "state": session.state,
            "opened": session.opened,
            "error": session.error,
            "notes": session.notes,
            "progress": session.progress,
            "tile": SIDE,
            "doubts": session.doubts,
            "frames": [],
            "layers": {name: describe_layer(session, name) for name in session.layers},
            "options": offered_options(),
            "chosen": {name: value for name, value in plain_options(options).items() if name != "depth"},
            "choices": describe_choices(session),
            "sources": session.sources,
            "sources_version": session.sources_version,
            "kept": list(session.results),
            "z_step": session.z_step,
            "leave_out": list(session.request.leave_out),
            **session.describe_strokes(),
        }
        if listing is not None:
            reference = session.reference
            found["size"] = [listing.frame.size[1], listing.frame.size[0]]
            found["depth"] = str(listing.frame.dtype)
            found["frames"] = [
                {
                    "name": name,
                    "position": k,
                    "is_reference": k == reference,
                    "left_out": session.reasons.get(k, ""),
                    **session.facts.get(name, {}),
                }
                for k, name in enumerate(listing.names)
            ]
            found["title"] = session.title
            found["save_as"] = session.save_as
            found["project"] = None if session.project_path is None else session.project_path.name
            found["maps"] = list_maps(session)
        return found


def describe_layer(session: Session, name: str) -> dict[str, Any]:
    """Where a layer lies, and its version."""
    layer = session.layers[name]
    rows, columns = layer.window
    return {
        "window": [columns.start, rows.start, columns.stop, rows.stop],
        "size": [layer.size[1], layer.size[0]],
        "version": layer.version,
        "kind": layer.kind,
    }


def offered_options() -> dict[str, Any]:
    """The JSON schema of the options that the page offers."""
    described = describe_options(FusionOptions)
    described["properties"] = {name: value for name, value in described["properties"].items() if name not in HIDDEN}
    return described


def list_maps(session: Session) -> list[str]:
    """Files that can be written beside the picture, by the names that `--outputs` knows."""
    there = [name for name, field in NAMED.items() if field in session.layers]
    made = [name for name, field in NAMED.items() if field in FROM_DEPTH and name not in there]
    return [*there, *(made if "depth" in session.layers else [])]
