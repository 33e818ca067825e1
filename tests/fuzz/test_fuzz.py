"""The fuzzer itself: some hundred files of a fixed seed, and what it does with one that fails."""

import random
from pathlib import Path

import pytest

from fuzz.__main__ import fuzz
from fuzz.mutate import mutate
from fuzz.seeds import make_seeds
from fuzz.targets import fuzz_one

#: Files that failed once, by the name of their seed and the numbers that make them.
FAILED_ONCE = [("recipe.toml", 0, 3044), ("a.decision", 0, 2212), ("packbits.tif", 0, 2052), ("a.onnx", 1, 3065)]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_seeds(tmp_path_factory.mktemp("seeds"))


def test_every_seed_is_sound(seeds: dict[str, bytes], tmp_path: Path) -> None:
    from fuzz.targets import TARGETS, fuzz_picture

    (tmp_path / "a.png").write_bytes(seeds["a.png"])
    for name, content in seeds.items():
        (tmp_path / name).write_bytes(content)
    for name in seeds:
        if name != "cmyk.jpg":
            TARGETS.get(Path(name).suffix, fuzz_picture)(tmp_path / name, tmp_path / "a.png")


def test_the_seeds_are_always_the_same(seeds: dict[str, bytes], tmp_path: Path) -> None:
    again = make_seeds(tmp_path)
    assert [name for name, content in seeds.items() if again[name] != content] == []


def test_the_same_numbers_make_the_same_file(seeds: dict[str, bytes]) -> None:
    for name, content in seeds.items():
        once, again = (mutate(content, seeds, random.Random(f"1 {name}")) for _ in range(2))
        assert once == again


@pytest.mark.slow
def test_some_hundred_files_end_in_nothing_unforeseen(tmp_path: Path) -> None:
    done, failed = fuzz(tmp_path, tmp_path / "kept", seconds=60, seed=11, start=0, count=300)
    assert (done, failed) == (300, 0)


@pytest.mark.parametrize(("name", "seed", "number"), FAILED_ONCE)
def test_files_that_failed_once(seeds: dict[str, bytes], tmp_path: Path, name: str, seed: int, number: int) -> None:
    (tmp_path / "a.png").write_bytes(seeds["a.png"])
    (tmp_path / name).write_bytes(mutate(seeds[name], seeds, random.Random(f"{seed} {number}")))
    fuzz_one(tmp_path / name, tmp_path / "a.png")
