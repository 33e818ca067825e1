"""Options: declared once, and checked the same wherever they come from."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allfocus import ConfigError, FusionOptions, OptionError, describe_options, load_options
from allfocus.core.sizes import parse_size
from allfocus.core.typed import choices
from allfocus.options import build_options, with_options
from allfocus.outputs.wishes import Outputs
from conftest import Cli
from pictures import write_pair

WRONG: list[tuple[str, Any, str]] = [
    ("method", "netwrok", "did you mean network?"),
    ("method", 3, "expected one of network, laplacian"),
    ("align", "rotate", "expected one of"),
    ("prefer", "left", "expected one of near, far"),
    ("keep_all", "no", "keep_all: expected true or false, found 'no'"),
    ("fast", 1, "fast: expected true or false"),
    ("max_tile", "x", "max_tile: expected a whole number"),
    ("max_tile", 0, "max_tile: expected at least 1"),
    ("max_tile", True, "max_tile: expected a whole number"),
    ("max_memory", "much", "size 'much': expected a size such as 2GB"),
    ("max_memory", -1, "max_memory: expected at least 1 byte"),
    ("reference", -1, "reference: expected a position counted from 0, found -1"),
    ("reference", 1.5, "reference: expected a whole number or a text"),
    ("transforms", 7, "transforms: expected a path"),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_wrong_values_are_refused_the_same_from_keywords_mappings_and_files(
    tmp_path: Path, name: str, value: Any, words: str
) -> None:
    ways = [lambda: FusionOptions(**{name: value}), lambda: with_options(None, {name: value})]
    ways += [lambda: build_options({name: value})]
    for way in ways:
        with pytest.raises(OptionError) as caught:
            way()
        assert words in str(caught.value)
    path = tmp_path / "options.json"
    path.write_text(json.dumps({name: value}))
    with pytest.raises(ConfigError) as in_file:
        load_options(path)
    assert str(path) in str(in_file.value)
    assert words in str(in_file.value)


def test_options_come_from_toml_json_and_keywords_alike(tmp_path: Path) -> None:
    wanted = FusionOptions(
        method="laplacian",
        align="similarity",
        keep_canvas=True,
        max_memory="2GB",
        transforms=Path("t.json"),
        reference=2,
    )
    toml, document = tmp_path / "o.toml", tmp_path / "o.json"
    toml.write_text(
        'method = "laplacian"\nalign = "similarity"\nkeep-canvas = true\nmax_memory = "2GB"\n'
        'transforms = "t.json"\nreference = 2\n'
    )
    document.write_text(
        json.dumps(
            {
                "method": "laplacian",
                "align": "similarity",
                "keep_canvas": True,
                "max_memory": 2_000_000_000,
                "transforms": "t.json",
                "reference": 2,
                "model": None,
            }
        )
    )
    assert load_options(toml) == load_options(document) == wanted


@pytest.mark.parametrize("text", ["method = ", "[1, 2]", '"text"', "\x00"])
def test_files_that_hold_no_options_are_refused(tmp_path: Path, text: str) -> None:
    for suffix in (".toml", ".json"):
        path = tmp_path / f"o{suffix}"
        path.write_text(text)
        with pytest.raises(ConfigError, match=f"o{suffix}"):
            load_options(path)
    with pytest.raises(ConfigError, match="can't be read"):
        load_options(tmp_path / "none.toml")


def test_an_unknown_option_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"unknown option keep_al: did you mean keep_all\?"):
        with_options(None, {"keep_al": True})
    path = tmp_path / "o.toml"
    path.write_text("metod = 'network'")
    with pytest.raises(ConfigError, match=r"o\.toml: unknown option metod: did you mean method\?"):
        load_options(path)


def test_every_option_and_output_says_what_it_is_for() -> None:
    for kind in (FusionOptions, Outputs):
        for item in fields(kind):
            if item.name not in ("image", "beside"):
                assert item.metadata["help"].endswith(".")
                assert item.metadata["group"]


def test_the_schema_describes_every_option() -> None:
    import typing

    schema = describe_options()
    hints = typing.get_type_hints(FusionOptions)
    assert list(schema["properties"]) == [item.name for item in fields(FusionOptions)]
    for item in fields(FusionOptions):
        described = schema["properties"][item.name]
        assert described["default"] == item.default
        assert described["description"] == item.metadata["help"]
        words = [word for word in described.get("enum", ()) if word is not None]
        assert tuple(words) == choices(hints[item.name])
    assert schema["properties"]["max_tile"]["minimum"] == 1
    assert json.loads(json.dumps(schema)) == schema


@given(st.integers(1, 10**15))
def test_a_plain_number_is_a_number_of_bytes(size: int) -> None:
    assert parse_size(str(size)) == size
    assert FusionOptions(max_memory=size).memory_limit == size


@pytest.mark.parametrize(
    ("text", "size"), [("2GB", 2 * 10**9), ("1.5 g", 15 * 10**8), ("800MiB", 800 * 2**20), ("3k", 3000)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_flags_override_a_file_and_wrong_values_have_their_exit_codes(tmp_path: Path, cli: Cli) -> None:
    frames, path = write_pair(tmp_path), tmp_path / "o.toml"
    path.write_text('method = "laplacian"\nalign = "none"\n')
    base = ("fuse", *frames, "-o", tmp_path / "out.png", "--options", path)
    assert ", laplacian," in cli(*base).out
    assert "alignment" not in cli(*base).out
    assert "alignment skipped" in cli(*base, "--align", "auto").out
    path.write_text('method = "laplacain"\n')
    wrong = cli(*base)
    assert wrong.code == 2  # a wrong value, wherever it stands
    assert "o.toml: method 'laplacain': did you mean laplacian?" in wrong.err
    for typed in (
        ["--align", "x"],
        ["--max-memory", "x"],
        ["--slab", "1:5"],
        ["--reference", "99"],
        ["--outputs", "x"],
    ):
        outcome = cli("fuse", *frames, "-o", tmp_path / "out.png", *typed)
        assert outcome.code == 2
        assert outcome.err.count("\n") == 1


def test_help_has_a_short_flag_groups_and_no_rich(cli: Cli) -> None:
    outcome = cli("fuse", "-h")
    assert outcome.code == 0
    for group in ("Fusion:", "Alignment:", "More output:", "Time and memory:"):
        assert f"\n{group}\n" in outcome.out
    assert "--unsharp" not in outcome.out  # old names work, and are not shown
    assert cli("--help").out == cli("-h").out
    assert "--install-completion" in cli("-h").out
    assert not re.search(r"\w\.\.\.", cli("-h").out)  # what each command does is told to its end


@pytest.mark.slow
def test_old_flags_work_for_one_release(tmp_path: Path, cli: Cli) -> None:
    frames = write_pair(tmp_path, height=64, width=96)
    outcome = cli("fuse", *frames, "-o", tmp_path / "out.png", "--unsharp", tmp_path / "mask.png")
    assert outcome.code == 0
    assert (tmp_path / "mask.png").exists()
    assert "--unsharp is called --out-of-focus now" in outcome.err
    old = cli("fuse", *frames, "-o", tmp_path / "out.png", "--method", "classic")
    assert old.code == 0
    assert ", laplacian," in old.out
    assert old.err == "note: method 'classic' is called 'laplacian' now\n"
    (tmp_path / "old.toml").write_text('method = "classic"')
    assert cli("fuse", *frames, "-o", tmp_path / "out.png", "--options", tmp_path / "old.toml").err == old.err
