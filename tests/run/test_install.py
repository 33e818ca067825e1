"""The hint for a missing extra is a command that works for how this copy was installed."""

from pathlib import Path
from typing import Any

import pytest

from allfocus.run.install import checkout_of, hint_for, install_hint

EDITABLE = {"dir_info": {"editable": True}}


def local(path: Path, **more: object) -> dict[str, Any]:
    return {"url": path.as_uri(), **more}


def test_this_checkout_is_found() -> None:
    assert install_hint("train").startswith("pip install ")
    assert install_hint("train").endswith("[train]'")


def test_in_a_checkout_the_current_folder_is_named(tmp_path: Path) -> None:
    assert hint_for("train", origin={}, checkout=tmp_path, here=tmp_path) == "pip install '.[train]'"
    assert hint_for("raw", origin=EDITABLE, checkout=tmp_path, here=tmp_path) == "pip install -e '.[raw]'"


def test_from_elsewhere_the_checkout_is_named(tmp_path: Path) -> None:
    here, checkout = tmp_path / "pictures", tmp_path / "all focus"
    assert hint_for("heif", origin={}, checkout=checkout, here=here) == f"pip install '{checkout}[heif]'"


def test_the_folder_or_the_wheel_that_it_came_from_is_named_while_it_is_there(tmp_path: Path) -> None:
    folder, wheel = tmp_path / "all focus", tmp_path / "allfocus-0.1.0-py3-none-any.whl"
    in_a_checkout = "pip install '.[train]' in a checkout of allfocus"
    for source, more in ((folder, {"dir_info": {}}), (wheel, {"archive_info": {}})):
        hint = {"origin": local(source, **more), "checkout": None, "here": tmp_path}
        assert hint_for("train", **hint) == in_a_checkout  # it is gone
        source.touch()
        assert hint_for("train", **hint) == f"pip install '{source}[train]'"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ({}, "pip install '.[train]' in a checkout of allfocus"),
        (
            {"url": "https://example.org/allfocus.git", "vcs_info": {"vcs": "git", "commit_id": "1"}},
            "pip install 'allfocus[train] @ git+https://example.org/allfocus.git'",
        ),
        (
            {"url": "https://example.org/allfocus-0.1.0-py3-none-any.whl", "archive_info": {}},
            "pip install 'allfocus[train] @ https://example.org/allfocus-0.1.0-py3-none-any.whl'",
        ),
    ],
    ids=["unknown", "repository", "address of a wheel"],
)
def test_other_origins(tmp_path: Path, origin: dict[str, Any], expected: str) -> None:
    assert hint_for("train", origin=origin, checkout=None, here=tmp_path) == expected


def test_an_installed_copy_is_no_checkout(tmp_path: Path) -> None:
    module = tmp_path / "lib" / "site-packages" / "allfocus" / "run" / "install.py"
    assert checkout_of(module) is None
    (tmp_path / "pyproject.toml").touch()
    assert checkout_of(tmp_path / "src" / "allfocus" / "run" / "install.py") == tmp_path
