"""How to install an extra, for the way in which this copy of the package was installed."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from allfocus.errors import MissingExtraError

PACKAGE = "allfocus"


def install_hint(extra: str) -> str:
    """The command that installs an extra, such as ``pip install '.[train]'``.

    The package is in no registry: pip has to be given the checkout, wheel or repository that it came from.
    """
    return hint_for(extra, origin=origin(), checkout=checkout_of(Path(__file__)), here=Path.cwd())


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Turn a missing third-party module into a line that says what to install.

    Raises:
        MissingExtraError: a module that the extra `name` brings is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "allfocus").partition(".")[0] == "allfocus":
            raise
        raise MissingExtraError(f"{purpose} needs {error.name}; {install_hint(name)}") from error


def hint_for(extra: str, *, origin: dict[str, Any], checkout: Path | None, here: Path) -> str:
    """The command of `install_hint`.

    Args:
        extra: its name.
        origin: where the package was installed from, as in its ``direct_url.json`` (PEP 610); empty if unknown.
        checkout: the checkout that this code runs from; None for an installed copy.
        here: the current folder.
    """
    url, local = origin.get("url", ""), local_path(origin.get("url", ""))
    is_editable = bool(origin.get("dir_info", {}).get("editable"))
    source = checkout or (local if local is not None and local.exists() else None)
    if source is not None:
        place = "." if source == here else str(source)
        # quoted, since shells take brackets for a pattern
        return f"pip install {'-e ' if is_editable else ''}{shlex.quote(f'{place}[{extra}]')}"
    if url and local is None:
        vcs = origin.get("vcs_info", {}).get("vcs")
        address = f"{vcs}+{url}" if vcs else url
        return f"pip install {shlex.quote(f'{PACKAGE}[{extra}] @ {address}')}"
    return f"pip install '.[{extra}]' in a checkout of {PACKAGE}"


def origin() -> dict[str, Any]:
    """What pip noted of where the package came from; empty where it noted nothing."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution(PACKAGE).read_text("direct_url.json")
    except PackageNotFoundError:
        return {}
    noted = json.loads(text) if text else {}
    return noted if isinstance(noted, dict) else {}


def checkout_of(module: Path) -> Path | None:
    """The folder with the project file above ``src/allfocus/<room>/<module>.py``; None for an installed copy."""
    source = module.resolve().parents[2]
    is_checkout = source.name == "src" and (source.parent / "pyproject.toml").is_file()
    return source.parent if is_checkout else None


def local_path(url: str) -> Path | None:
    """The path of a ``file:`` URL; None for any other."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None
