"""``allfocus demo``: where its pictures go, and what it prints."""

from pathlib import Path

import pytest

from conftest import Cli


def test_demo_hands_its_folder_on_and_prints_the_report(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("allfocus.demo.run", lambda folder, progress: f"all in {folder}")
    outcome = cli("demo", "-o", tmp_path / "demo")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"all in {tmp_path / 'demo'}\n", "")
    assert cli("demo", "-o", tmp_path / "demo", "--quiet").out == ""
