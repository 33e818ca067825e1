"""What goes wrong ends in one clear line and leaves no file behind: each case on the real command line."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from allfocus import FusionOptions, Job, JobRequest, Outputs
from allfocus.errors import WriteError
from allfocus.io import write_image
from allfocus.run.machine import Machine
from conftest import Cli, Outcome
from pictures import picture, write_pair


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file with its content, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_one_line(outcome: Outcome, code: int, *words: str) -> None:
    assert outcome.code == code
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert outcome.err.endswith("\n")
    assert outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word in outcome.err


# Each of these makes files in a folder and returns what is typed, the exit code and words of the message.
Case = tuple[list[object], int, list[str]]


def no_frames(folder: Path) -> Case:
    return ["-o", folder / "out.png"], 2, ["give either frames", "allfocus fuse --help"]


def one_frame(folder: Path) -> Case:
    return [write_pair(folder)[0], "-o", folder / "out.png"], 1, ["1 frame given", "at least 2"]


def missing_file(folder: Path) -> Case:
    return [write_pair(folder)[0], folder / "gone.jpg", "-o", folder / "out.png"], 1, ["gone.jpg does not exist"]


def empty_folder(folder: Path) -> Case:
    (folder / "inside").mkdir()
    (folder / "inside" / "notes.txt").touch()
    return [folder / "inside", "-o", folder / "out.png"], 1, ["inside holds no pictures", ".jpg"]


def same_frame_twice(folder: Path) -> Case:
    near, _ = write_pair(folder)
    return [near, near, "-o", folder / "out.png"], 1, ["img2.png is given 2 times"]


def different_sizes(folder: Path) -> Case:
    near, _ = write_pair(folder)
    write_image(folder / "x.png", picture(16, 20))
    return [near, folder / "x.png", "-o", folder / "out.png"], 1, ["frame 2 (x.png) is 20x16", "48x32", "one size"]


def different_depths(folder: Path) -> Case:
    near, _ = write_pair(folder)
    write_image(folder / "x.png", picture(dtype="uint16"))
    return [near, folder / "x.png", "-o", folder / "out.png"], 1, ["x.png", "uint16", "uint8", "one bit depth"]


def different_channels(folder: Path) -> Case:
    near, _ = write_pair(folder)
    write_image(folder / "x.png", picture(gray=True))
    return [near, folder / "x.png", "-o", folder / "out.png"], 1, ["x.png", "gray", "RGB", "convert all frames"]


def beside(folder: Path, data: bytes, name: str) -> list[object]:
    near, _ = write_pair(folder)
    (folder / name).write_bytes(data)
    return [near, folder / name, "-o", folder / "out.png"]


def garbage(folder: Path) -> Case:
    return beside(folder, bytes(range(256)) * 4, "x.jpg"), 1, ["x.jpg is not a picture in a known format", "JPEG"]


def garbage_that_starts_like_a_jpeg(folder: Path) -> Case:
    return beside(folder, b"\xff\xd8\xff" + bytes(range(256)) * 4, "x.jpg"), 1, ["x.jpg"]


def garbage_that_starts_like_a_tiff(folder: Path) -> Case:
    return beside(folder, b"II*\0" + bytes(range(256)) * 4, "x.tif"), 1, ["x.tif", "no TIFF page"]


def empty_file(folder: Path) -> Case:
    return beside(folder, b"", "x.png"), 1, ["x.png is empty"]


def cut_in_half(folder: Path, name: str, dtype: str = "uint8") -> list[object]:
    write_image(folder / name, picture(dtype=dtype))
    whole = (folder / name).read_bytes()
    return beside(folder, whole[: len(whole) // 2], name)


def truncated_jpeg(folder: Path) -> Case:
    return cut_in_half(folder, "x.jpg"), 1, ["x.jpg is cut short"]


def truncated_tiff(folder: Path) -> Case:
    return cut_in_half(folder, "x.tif"), 1, ["x.tif is cut short"]


def truncated_png_16(folder: Path) -> Case:
    return cut_in_half(folder, "x.png", "uint16"), 1, ["x.png is cut short"]


def truncated_webp(folder: Path) -> Case:
    return cut_in_half(folder, "x.webp"), 1, ["x.webp is cut short"]


def truncated_bmp(folder: Path) -> Case:
    Image.fromarray(picture()).save(folder / "x.bmp")
    return beside(folder, (folder / "x.bmp").read_bytes()[:2000], "x.bmp"), 1, ["x.bmp is cut short"]


def garbage_that_starts_like_a_png(folder: Path) -> Case:
    return beside(folder, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "x.png"), 1, ["x.png is cut short"]


def jpeg_filled_up_with_zeros(folder: Path) -> Case:
    write_image(folder / "x.jpg", picture())
    whole = (folder / "x.jpg").read_bytes()
    return beside(folder, whole[: len(whole) // 2].ljust(len(whole), b"\0"), "x.jpg"), 1, ["x.jpg is cut short"]


def pattern_without_match(folder: Path) -> Case:
    return [folder / "*.jpg", "-o", folder / "out.png"], 1, ["*.jpg matches no file"]


def folder_with_one_picture(folder: Path) -> Case:
    (folder / "inside").mkdir()
    write_image(folder / "inside" / "x.png", picture())
    return [folder / "inside", "-o", folder / "out.png"], 1, ["1 frame given", "at least 2"]


def video_among_pictures(folder: Path) -> Case:
    clip = b"\0\0\0\x14ftypisom\0\0\2\0mp41" + bytes(100)
    return beside(folder, clip, "x.mp4"), 1, ["x.mp4 is a video; give it alone"]


def several_channels(folder: Path) -> Case:
    planes = np.zeros((3, 2, 8, 8), np.uint8)
    tifffile.imwrite(folder / "x.tif", planes, imagej=True, metadata={"axes": "ZCYX"})
    return [folder / "x.tif", "-o", folder / "out.png"], 2, ["2 channels, 3 planes are OME-TIFF; name it out.ome.tif"]


def output_is_a_folder(folder: Path) -> Case:
    return [*write_pair(folder), "-o", folder], 1, ["is a folder", "sharp.png"]


def output_folder_is_missing(folder: Path) -> Case:
    return [*write_pair(folder), "-o", folder / "new" / "out.png"], 1, ["new does not exist"]


def output_folder_is_a_file(folder: Path) -> Case:
    near, far = write_pair(folder)
    return [near, far, "-o", Path(near) / "out.png"], 1, ["img2.png is not a folder"]


def output_is_a_device(folder: Path) -> Case:
    os.mkfifo(folder / "pipe.png")
    return [*write_pair(folder), "-o", folder / "pipe.png"], 1, ["pipe.png is not an ordinary file"]


def unwritable_place(folder: Path) -> Case:
    # /proc takes no files, not even from root, for whom permissions of folders do not count
    place = Path("/proc") if Path("/proc").is_dir() else Path("/System")
    return [*write_pair(folder), "-o", place / "out.png"], 1, [f"folder {place} can't be written to"]


def unknown_ending(folder: Path) -> Case:
    return [*write_pair(folder), "-o", folder / "out.gif"], 2, ["ends in .gif", ".png, .jpg", ".tif"]


def output_replaces_a_frame(folder: Path) -> Case:
    near, far = write_pair(folder)
    return [near, far, "-o", near], 1, ["img2.png is one of the frames"]


def two_outputs_to_one_file(folder: Path) -> Case:
    out = folder / "out.png"
    return [*write_pair(folder), "-o", out, "--confidence", out], 1, ["two outputs go to"]


def index_map_as_jpeg(folder: Path) -> Case:
    maps = ["--index-map", folder / "map.jpg"]
    return [*write_pair(folder), "-o", folder / "out.png", *maps], 2, ["map.jpg: maps are written as .png"]


def later_output_has_no_folder(folder: Path) -> Case:
    maps = ["--index-map", folder / "map.png", "--confidence", folder / "new" / "c.png"]
    return [*write_pair(folder), "-o", folder / "out.png", *maps], 1, ["new does not exist"]


def too_wide_for_webp(folder: Path) -> Case:
    wide = write_pair(folder, height=1, width=16384)
    return [*wide, "-o", folder / "out.webp"], 1, ["out.webp", "at most 16383 pixels"]


def nothing_but_nan(folder: Path) -> Case:
    near, far = write_pair(folder, ".tif", dtype="float32")
    for path in (near, far):
        tifffile.imwrite(path, np.full((32, 48), np.nan, np.float32))
    return [near, far, "-o", folder / "out.tif"], 1, ["img2.tif", "shows nothing", "leave it out"]


def complex_tiff(folder: Path) -> Case:
    near, _ = write_pair(folder, ".tif", dtype="float32")
    tifffile.imwrite(folder / "x.tif", np.ones((32, 48), np.complex64))
    return [near, folder / "x.tif", "-o", folder / "out.tif"], 1, ["x.tif has complex64 samples", "convert"]


def transparent_pixels(folder: Path) -> Case:
    near, _ = write_pair(folder)
    Image.new("RGBA", (48, 32), (9, 9, 9, 100)).save(folder / "x.png")
    return [near, folder / "x.png", "-o", folder / "out.png"], 1, ["x.png shows nothing", "leave it out"]


def cmyk(folder: Path) -> Case:
    near, _ = write_pair(folder)
    Image.new("CMYK", (48, 32)).save(folder / "x.jpg")
    return [near, folder / "x.jpg", "-o", folder / "out.png"], 1, ["x.jpg has CMYK colours", "convert"]


def several_tiffs_of_several_pages(folder: Path) -> Case:
    near, _ = write_pair(folder)
    tifffile.imwrite(folder / "x.tif", np.zeros((3, 32, 48), np.uint8), photometric="minisblack")
    return [near, folder / "x.tif", "-o", folder / "out.png"], 1, ["x.tif holds 3 pages", "alone"]


def name_too_long(folder: Path) -> Case:
    return [*write_pair(folder), "-o", folder / f"{'x' * 300}.png"], 1, ["File name too long", "choose a shorter name"]


def wrong_method(folder: Path) -> Case:
    return [*write_pair(folder), "-o", folder / "out.png", "--method", "magic"], 2, ["--method", "network"]


def transforms_that_leave_all_out(folder: Path) -> Case:
    pair = write_pair(folder)
    same = {"matrix": np.eye(3).tolist(), "gain": [1.0], "offset": 0.0, "residual": None, "field": None}
    frames = [{"name": Path(path).name, **same, "left_out": "blurred"} for path in pair]
    facts = {"format": "allfocus transforms 1", "model": "similarity", "reference": 1, "width": 48, "height": 32}
    (folder / "t.json").write_text(json.dumps({**facts, "frames": frames}))
    return (
        [*pair, "-o", folder / "out.png", "--transforms", folder / "t.json"],
        1,
        ["t.json is damaged", "the reference is left out"],
    )


def tile_of_nothing(folder: Path) -> Case:
    return [*write_pair(folder), "-o", folder / "out.png", "--tile", 0], 2, ["--tile"]


CASES = [
    no_frames,
    one_frame,
    missing_file,
    empty_folder,
    same_frame_twice,
    different_sizes,
    different_depths,
    different_channels,
    garbage,
    garbage_that_starts_like_a_jpeg,
    garbage_that_starts_like_a_tiff,
    empty_file,
    truncated_jpeg,
    truncated_tiff,
    truncated_png_16,
    truncated_webp,
    truncated_bmp,
    garbage_that_starts_like_a_png,
    jpeg_filled_up_with_zeros,
    pattern_without_match,
    folder_with_one_picture,
    video_among_pictures,
    several_channels,
    output_is_a_folder,
    output_folder_is_missing,
    output_folder_is_a_file,
    output_is_a_device,
    unwritable_place,
    unknown_ending,
    output_replaces_a_frame,
    two_outputs_to_one_file,
    index_map_as_jpeg,
    later_output_has_no_folder,
    too_wide_for_webp,
    nothing_but_nan,
    complex_tiff,
    transparent_pixels,
    cmyk,
    several_tiffs_of_several_pages,
    transforms_that_leave_all_out,
    name_too_long,
    wrong_method,
    tile_of_nothing,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_fuse_refuses_in_one_line(case: Callable[[Path], Case], tmp_path: Path, cli: Cli) -> None:
    typed, code, words = case(tmp_path)
    before = files_below(tmp_path)
    assert_one_line(cli("fuse", "--method", "laplacian", *typed), code, *words)
    assert files_below(tmp_path) == before


def test_a_name_that_begins_like_an_option_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-1.png", "-2.png"):
        write_image(tmp_path / name, picture())
    outcome = cli("fuse", "-1.png", "-2.png", "-o", "out.png", "--method", "laplacian")
    assert_one_line(outcome, 2, "-1.png is a file whose name begins like an option", "type -- before the frames")
    for _ in range(2):  # an output of such a name is none of the frames
        assert cli("fuse", "-o", "-out.png", "--method", "laplacian", "--", "-1.png", "-2.png").code == 0


@pytest.mark.parametrize(
    "case",
    [output_is_a_folder, output_folder_is_missing, unwritable_place, unknown_ending, later_output_has_no_folder],
    ids=lambda case: case.__name__,
)
def test_outputs_are_checked_before_any_frame_is_read(
    case: Callable[[Path], Case], tmp_path: Path, cli: Cli, no_decoding: None
) -> None:  # their headers are looked at, to say all at once
    typed, code, words = case(tmp_path)
    assert_one_line(cli("fuse", "--method", "laplacian", *typed), code, *words)


# --- long stacks ---------------------------------------------------------------------------------


def write_stack(folder: Path, frames: int) -> list[str]:
    paths = [folder / f"f{k:02d}.jpg" for k in range(frames)]
    for position, path in enumerate(paths):
        write_image(path, picture(64, 96, seed=position))
    return [str(path) for path in paths]


def test_a_corrupt_frame_is_named_before_any_is_decoded(tmp_path: Path, cli: Cli, no_decoding: None) -> None:
    frames = write_stack(tmp_path, 20)
    data = Path(frames[16]).read_bytes()
    Path(frames[16]).write_bytes(data[: len(data) // 2])  # its header is sound
    before = files_below(tmp_path)
    assert_one_line(cli("fuse", *frames, "-o", str(tmp_path / "out.png")), 1, "f16.jpg", "cut short")
    assert files_below(tmp_path) == before


def test_a_frame_of_another_size_is_named_before_any_is_decoded(tmp_path: Path, cli: Cli, no_decoding: None) -> None:
    frames = write_stack(tmp_path, 20)
    write_image(Path(frames[16]), picture(64, 97))
    assert_one_line(cli("fuse", *frames, "-o", str(tmp_path / "out.png")), 1, "frame 17 (f16.jpg) is 97x64")


def test_a_disk_that_fills_up_with_scratch_files_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    frames = [Path(path) for path in write_stack(tmp_path, 3)]
    monkeypatch.setattr("os.posix_fallocate", full)
    before = files_below(tmp_path)
    request = JobRequest(
        frames=frames, outputs=Outputs(image=tmp_path / "out.png"), options=FusionOptions(spool=tmp_path)
    )
    job = Job(request, machine=Machine(kept_in_memory=0))
    with pytest.raises(WriteError, match=r"the disk is full; .* are free: .*--spool"):
        job.run()
    assert files_below(tmp_path) == before


def test_too_little_memory_is_refused_with_the_numbers(tmp_path: Path, cli: Cli) -> None:
    frames = write_stack(tmp_path, 3)
    typed = ("fuse", *frames, "-o", str(tmp_path / "out.png"))
    assert_one_line(cli(*typed, "--max-memory", "20MB"), 1, "3 frames of 96x64", "0.0 GB are allowed", "--max-memory")
    assert_one_line(cli(*typed, "--max-memory", "much"), 2, "such as 2GB")


# --- models --------------------------------------------------------------------------------------


def write_foreign_model(path: Path) -> None:
    """A sound ONNX model that any program may have written: it returns its input."""
    onnx = pytest.importorskip("onnx")
    images = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "foreign", images[:1], images[1:])
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, ir_version=8, opset_imports=opsets), path)


def write_cut_model(path: Path) -> None:
    write_foreign_model(path)
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.mkdir(),
        lambda path: path.touch(),
        lambda path: path.write_bytes(bytes(range(256)) * 8),
        lambda path: path.write_text("no model"),
        write_cut_model,
        write_foreign_model,
    ],
    ids=["missing", "folder", "empty", "garbage", "text", "cut short", "not ours"],
)
def test_a_model_that_is_not_ours_is_refused(tmp_path: Path, cli: Cli, make: Callable[[Path], object]) -> None:
    frames = write_pair(tmp_path)
    make(tmp_path / "other.onnx")
    before = files_below(tmp_path)
    outcome = cli("fuse", *frames, "-o", tmp_path / "out.png", "--model", tmp_path / "other.onnx")
    assert_one_line(outcome, 1, "other.onnx")
    assert "internal error" not in outcome.err
    assert files_below(tmp_path) == before


# --- disks and permissions -----------------------------------------------------------------------


def fill_disk(monkeypatch: pytest.MonkeyPatch, full_after: int) -> None:
    """Let the disk be full once so many files are written."""
    left = [full_after]

    def sync(descriptor: int) -> None:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1

    monkeypatch.setattr("os.fsync", sync)


@pytest.mark.parametrize("full_after", [0, 1, 2])
def test_a_full_disk_leaves_nothing(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, full_after: int) -> None:
    frames = write_pair(tmp_path)
    before = files_below(tmp_path)
    fill_disk(monkeypatch, full_after)
    maps = ["--index-map", tmp_path / "map.png", "--confidence", tmp_path / "sure.png"]
    outcome = cli("fuse", "--method", "laplacian", *frames, "-o", tmp_path / "out.png", *maps)
    assert_one_line(outcome, 1, "No space left on device", "nothing was kept; make room")
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("full_after", [0, 1])
def test_a_full_disk_leaves_no_registered_frame_and_no_folder(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, full_after: int
) -> None:
    frames = write_pair(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    fill_disk(monkeypatch, full_after)
    outcome = cli("align", *frames, "-o", tmp_path / "new" / "aligned", "--align", "none")
    assert_one_line(outcome, 1, "No space left on device", "nothing was kept")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_disk_that_fills_up_while_writing_leaves_nothing(tmp_path: Path) -> None:
    """The system itself refuses to write more than 1 kB: half a file is there before the error comes."""
    frames = write_pair(tmp_path)
    before = files_below(tmp_path)
    typed = ["fuse", *frames, "-o", tmp_path / "out.png", "--method", "laplacian"]
    done = subprocess.run(
        [sys.executable, "-B", "-m", "allfocus", *typed],  # -B: else it may leave the first 1 kB of compiled modules
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
    )
    assert_one_line(
        Outcome(done.returncode, done.stdout, done.stderr), 1, "out.png can't be written", "nothing was kept"
    )
    assert files_below(tmp_path) == before


def test_a_write_protected_file_is_not_replaced(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = write_pair(tmp_path)
    out = tmp_path / "out.png"
    out.write_bytes(b"precious")
    out.chmod(0o444)
    if os.geteuid() == 0:  # root may write anywhere: stand in for what the system tells others
        monkeypatch.setattr("os.access", lambda path, mode: path != out)
    assert_one_line(cli("fuse", "--method", "laplacian", *frames, "-o", out), 1, "out.png is write-protected")
    assert out.read_bytes() == b"precious"


# --- the unexpected ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), ["out of memory"]),
        (RuntimeError("two\nlines"), ["internal error (RuntimeError: two lines)", "--debug"]),
        (OSError(errno.EIO, "Input/output error", "x.png"), ["x.png: Input/output error"]),
    ],
)
def test_the_unexpected_is_one_line_too(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, error: Exception, words: list[str]
) -> None:
    frames = write_pair(tmp_path)
    before = files_below(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("cv2.Laplacian", fail)
    assert_one_line(cli("fuse", "--method", "laplacian", *frames, "-o", tmp_path / "out.png"), 1, *words)
    assert files_below(tmp_path) == before


def test_debug_shows_the_traceback_before_the_line(tmp_path: Path, cli: Cli) -> None:
    outcome = cli("fuse", "--debug", *write_pair(tmp_path), tmp_path / "lost", "-o", tmp_path / "out.png")
    assert outcome.code == 1
    assert outcome.err.startswith("Traceback")
    assert outcome.err.splitlines()[-1].startswith("error: ")
