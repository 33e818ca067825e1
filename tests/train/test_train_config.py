import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from allfocus.errors import ConfigError
from allfocus.train.config import Recipe, load_recipe, recipe_from, recipe_text, recipe_values

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_committed_recipe_loads_and_survives_the_round_trip_through_text(path: Path) -> None:
    recipe = load_recipe(path)
    assert path.stem.startswith(recipe.name)
    assert recipe_from(tomllib.loads(recipe_text(recipe))) == recipe
    assert recipe_from(recipe_values(recipe)) == recipe


def test_there_are_recipes_to_check() -> None:
    assert {"default", "smoke"} <= {path.stem for path in RECIPES.glob("*.toml")}


def test_whole_number_is_a_fine_value_for_a_number() -> None:
    rate = recipe_from({"training": {"learning_rate": 1}}).training.learning_rate
    assert isinstance(rate, float)
    assert rate == 1.0


def test_what_is_left_out_keeps_its_default() -> None:
    assert recipe_from({}) == Recipe()
    changed = recipe_from({"training": {"steps": 7}})
    assert changed == replace(Recipe(), training=replace(Recipe().training, steps=7))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"trainig": {}}, ["trainig", "did you mean training?"]),
        ({"training": {"stesp": 1}}, ["training.stesp", "did you mean steps?"]),
        ({"zzz": 1}, ["zzz", "expected one of name, seed, data"]),
        ({"training": {"steps": "many"}}, ["training.steps", "whole number", "'many'"]),
        ({"training": {"steps": 1.5}}, ["training.steps", "whole number", "1.5"]),
        ({"training": {"steps": True}}, ["training.steps", "whole number", "True"]),
        ({"training": {"steps": 0}}, ["training.steps", "1 to 10000000", "0"]),
        ({"training": {"learning_rate": float("nan")}}, ["training.learning_rate", "nan"]),
        ({"training": 3}, ["training", "[training]", "3"]),
        ({"data": {"flips": 1}}, ["data.flips", "true or false", "1"]),
        ({"name": 5}, ["name", "text", "5"]),
        ({"data": {"crop": 100}}, ["data.crop", "multiple of 32", "100"]),
        ({"data": {"crop": 32}, "shuffle": {"blur_max": 30.0}}, ["shuffle.blur_max", "at most", "29", "30"]),
        ({"data": {"large_crop": 100}}, ["data.large_crop", "multiple of 32", "100"]),
        ({"data": {"large_share": 0.5, "large_crop": 128}}, ["data.large_crop", "at least data.crop = 192", "128"]),
        ({"shuffle": {"grain_pixel": 0.9}}, ["grain_pixel", "sum to 1", "1.7"]),
        ({"shuffle": {"frames_min": 9}}, ["shuffle.frames_min", "at most", "9"]),
        ({"training": {"octaves_min": 5}}, ["training.octaves_min", "at most", "5"]),
        ({"network": {"heads": 5}}, ["network.heads", "divisor of glance_width = 48", "5"]),
    ],
)
def test_mistake_is_refused_naming_key_expected_and_found(values: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        recipe_from(values)
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


def test_file_problems_name_the_file(tmp_path: Path) -> None:
    broken, binary, unknown = tmp_path / "broken.toml", tmp_path / "binary.toml", tmp_path / "unknown.toml"
    broken.write_text("name = ")
    binary.write_bytes(b"\xff\xfe\x00")
    unknown.write_text("[data]\ncorp = 64\n")
    for path, word in [
        (broken, "TOML"),
        (binary, "text"),
        (unknown, "did you mean crop?"),
        (tmp_path / "none.toml", "No such file"),
    ]:
        with pytest.raises(ConfigError, match=word) as caught:
            load_recipe(path)
        assert path.name in str(caught.value)
