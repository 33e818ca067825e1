"""Every command on a real terminal: what it draws while it works, what stands there in the end, how Ctrl-C ends it."""

import json
import re
import signal
from pathlib import Path

import pytest

from allfocus.io import write_image
from allfocus.run.signals import signals_wait
from pictures import focal_frames, picture, write_pair
from terminal import HIDE_CURSOR, SHOW_CURSOR, assert_drew_bars, assert_is_tidy, bars_in, on_terminal

RECIPE = """
seed = 1
[data]
crop = 32
validation_groups = 2
[shuffle]
frames_max = 2
blur_max = 2.0
[network]
width = 4
depth = 1
glance_width = 4
glance_depth = 1
state = 2
heads = 2
[training]
steps = {steps}
batch = 1
warmup = 1
octaves_max = 2
validate_every = 100
threads = 1
"""

COLOUR = re.compile(r"\x1b\[[\d;]*(3\d|4\d|9\d)[\d;]*m")


def recipe(folder: Path, steps: int = 3) -> Path:
    """A recipe for a network that a test can afford."""
    path = folder / "tiny.toml"
    path.write_text(RECIPE.format(steps=steps))
    return path


def stack_in(folder: Path, height: int, width: int, count: int) -> Path:
    """A folder with a stack of frames."""
    stack = folder / "stack"
    stack.mkdir()
    for number, frame in enumerate(focal_frames(height, width, count)):
        write_image(stack / f"f{number}.tif", frame)
    return stack


def prepared(command: str, folder: Path) -> list[object]:
    """Make what a command needs, and return the words to type."""
    if command == "train":
        write_image(folder / "photo.png", picture(100, 100))
        return ["train", "photo.png", "-o", "mine.onnx", "--recipe", recipe(folder), "--device", "cpu"]
    if command == "fuse":
        # a plan is printed where somebody cares for memory
        typed = ["fuse", stack_in(folder, 300, 400, 4), "-o", "sharp.tif", "--max-memory", "2GB"]
        return [*typed, "--method", "laplacian", "--no-align"]
    if command == "align":
        return ["align", stack_in(folder, 96, 128, 3), "-o", "aligned"]
    frames = [Path(frame).name for frame in write_pair(folder, height=64, width=64)]
    (folder / "scenes.json").write_text(json.dumps([{"name": "group/a", "frames": frames}]))
    return ["evaluate", "scenes.json", "-o", "report", "--method", "laplacian"]


def last_words(command: str) -> str:
    """What one of the last lines of a command starts with."""
    return {
        "train": "mine.onnx: 3 steps",
        "fuse": "sharp.tif: 4 frames, 400x300",
        "align": "aligned: 3 of 3 frames, ",
        "evaluate": "report/crops.html",
    }[command]


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("command", "widths"),
    [
        pytest.param("fuse", (40, 80, 120), marks=pytest.mark.slow),
        pytest.param("train", (40,), marks=pytest.mark.slow),
        pytest.param("align", (80,), marks=pytest.mark.slow),
        pytest.param("evaluate", (80,), marks=pytest.mark.slow),
    ],
)  # and demo, from a wheel, in test_house
def test_a_bar_is_drawn_and_goes_again(tmp_path: Path, command: str, widths: tuple[int, ...]) -> None:
    screens = on_terminal(*prepared(command, tmp_path), folder=tmp_path, widths=widths)
    assert [seen.width for seen in screens] == list(widths)
    for seen in screens:
        assert seen.code == 0, seen.lines
        assert_drew_bars(seen)
        assert any(line.startswith(last_words(command)) for line in seen.lines), seen.lines
        if command == "fuse":
            plan, _ = seen.lines
            assert re.fullmatch(r"plan: 4 frames of 400x300 .*\)", plan)
            # it came while the bar was there
            start, end = seen.sent.index(HIDE_CURSOR), seen.sent.index(SHOW_CURSOR)
            assert start < seen.sent.index("plan:") < end


@pytest.mark.slow
def test_a_dumb_terminal_gets_lines_only(tmp_path: Path) -> None:
    [seen] = on_terminal(*prepared("fuse", tmp_path), folder=tmp_path, TERM="dumb")
    assert seen.code == 0
    assert "\x1b" not in seen.sent
    assert not bars_in(seen.sent)
    assert [line.partition(":")[0] for line in seen.lines] == ["plan", "sharp.tif"]


@pytest.mark.slow
@pytest.mark.parametrize(("environment", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_those_who_want_them(tmp_path: Path, environment: dict[str, str], is_coloured: bool) -> None:
    [seen] = on_terminal(*prepared("align", tmp_path), folder=tmp_path, **environment)
    assert (seen.code, bool(bars_in(seen.sent))) == (0, True)
    assert bool(COLOUR.search(seen.sent)) == is_coloured


def test_ctrl_c_waits_until_the_bar_is_there_or_gone() -> None:
    done = []
    # whoever starts the tests in the background may have made them deaf to Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), signals_wait():
            signal.raise_signal(signal.SIGINT)
            done.append("all of it")
        assert done == ["all of it"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "moment"),
    [
        pytest.param("fuse", "plan:", marks=pytest.mark.slow),
        ("align", HIDE_CURSOR),
        pytest.param("train", "step 3", marks=pytest.mark.slow),
    ],
    ids=["fuse", "align", "train"],
)
def test_ctrl_c_in_the_middle_leaves_a_clean_terminal_and_no_file(tmp_path: Path, command: str, moment: str) -> None:
    typed = prepared(command, tmp_path)
    if command == "train":
        recipe(tmp_path, steps=100_000)
    before = names_in(tmp_path)
    [seen] = on_terminal(*typed, folder=tmp_path, interrupt_at=moment)
    assert seen.code == 130, seen.lines
    assert seen.lines[-1].removeprefix("^C").startswith("interrupted")
    assert_is_tidy(seen)
    left = names_in(tmp_path) - before
    # a training keeps what it needs to go on; folders may be there, but nothing in them
    kept = {f"mine.{ending}" for ending in ("checkpoint.pt", "log.csv", "curve.png")} if command == "train" else set()
    assert left - {"aligned"} == kept
