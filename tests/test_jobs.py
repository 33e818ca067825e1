"""Jobs: what a door asks for, sees on the way, calls off, and gets."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from allfocus import (
    Cancelled,
    Event,
    FusionOptions,
    Job,
    JobRequest,
    OptionError,
    Outputs,
    StackError,
    WriteError,
    fuse,
    save,
)
from allfocus.core.color import Array
from allfocus.io import read_image, read_metadata, write_image
from allfocus.result import FusionResult
from conftest import Cli
from pictures import focal_frames

RDF = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def write_stack(folder: Path, frames: list[Array], suffix: str = ".png") -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"f{position}{suffix}" for position in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        write_image(path, frame)
    return paths


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    write_stack(tmp_path / "stack", focal_frames(60, 600, 3))  # more than one tile
    return tmp_path / "stack"


def request_for(stack: Path, tiny_model: Path, **outputs: Path) -> JobRequest:
    wanted = {"image": stack.parent / "out.png", **outputs}
    return JobRequest(frames=[stack], outputs=Outputs(**wanted), options=FusionOptions(model=tiny_model, align="none"))


def test_events_tell_the_plan_the_stages_the_picture_and_the_result(stack: Path, tiny_model: Path) -> None:
    events: list[Event] = []
    made = Job(request_for(stack, tiny_model), events.append, previews=True).run()
    kinds = [event.kind for event in events]
    assert kinds[0] == "plan"
    assert kinds[-1] == "result"
    assert events[-1].result is made
    fractions = [event.fraction for event in events if event.kind == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    covered = np.zeros((60, 600), int)
    for event in events:
        if event.kind == "preview":
            assert event.window is not None
            covered[event.window] += 1
    assert (covered == 1).all()
    last = next(event for event in reversed(events) if event.kind == "preview")
    assert last.canvas is not None
    np.testing.assert_array_equal(last.canvas.images[0], read_image(stack.parent / "out.png"))
    for event in events:
        assert json.loads(json.dumps(event.as_json()))["event"] == event.kind


def test_a_job_runs_in_a_thread_of_its_own(stack: Path, tiny_model: Path) -> None:
    job = Job(request_for(stack, tiny_model, index_map=stack.parent / "i.png"))
    with pytest.raises(StackError, match="not started"):
        job.wait()
    job.start()
    with pytest.raises(StackError, match="started already"):
        job.start()
    made = job.wait(60)
    assert isinstance(made.fused, FusionResult)
    assert made.files == {stack.parent / "out.png": "image", stack.parent / "i.png": "index map"}
    assert all(path.exists() for path in made.files)


def test_what_ends_a_job_ends_the_wait(tmp_path: Path, stack: Path, tiny_model: Path) -> None:
    job = Job(request_for(stack, tiny_model, image=tmp_path / "none" / "out.png"))
    job.start()
    with pytest.raises(WriteError, match="none does not exist"):
        job.wait(60)


def test_a_job_is_called_off_within_a_second_and_leaves_nothing(tmp_path: Path) -> None:
    write_stack(tmp_path / "stack", focal_frames(800, 1000, 3), ".jpg")
    reached = threading.Event()

    def listen(event: Event) -> None:
        if event.stage == "fuse":
            reached.set()

    options = FusionOptions(align="none")
    request = JobRequest(frames=[tmp_path / "stack"], outputs=Outputs(image=tmp_path / "out.png"), options=options)
    job = Job(request, listen)
    before = threading.active_count()
    job.start()
    assert reached.wait(60)
    with pytest.raises(TimeoutError):
        job.wait(0)
    job.cancel()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        job.wait(20)
    assert time.monotonic() - started < 1
    while threading.active_count() > before:  # what was under way may end by itself
        assert time.monotonic() - started < 20
        time.sleep(0.01)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stack"]


@pytest.mark.slow
def test_two_jobs_side_by_side_make_the_same_pictures(stack: Path, tiny_model: Path) -> None:
    names = ["one.png", "other.png"]
    jobs = [Job(request_for(stack, tiny_model, image=stack.parent / name)) for name in names]
    for job in jobs:
        job.start()
    for job in jobs:
        job.wait(60)
    one, other = (read_image(stack.parent / name) for name in names)
    np.testing.assert_array_equal(one, other)


def test_checking_finds_what_running_would(stack: Path, tiny_model: Path) -> None:
    source, plan = Job(request_for(stack, tiny_model)).check()
    assert (len(source.names), plan.frames) == (3, 3)  # type: ignore[union-attr]
    for change, error in (({"slab": "1:5"}, OptionError), ({"channel_for_focus": "2"}, OptionError)):
        request = JobRequest(frames=[stack], outputs=Outputs(image=stack.parent / "o.png"), **change)  # type: ignore[arg-type]
        for act in (Job(request).check, Job(request).run):
            with pytest.raises(error):
                act()
    assert sorted(path.name for path in stack.parent.iterdir()) == ["stack"]


@pytest.mark.slow
def test_notes_are_events_and_part_of_the_result(tmp_path: Path) -> None:
    frames = focal_frames(96, 128, 4)
    frames[1] = np.full_like(frames[1], 128)
    write_stack(tmp_path / "stack", frames)
    heard: list[Event] = []
    options = FusionOptions(method="laplacian")
    request = JobRequest(frames=[tmp_path / "stack"], outputs=Outputs(image=tmp_path / "o.png"), options=options)
    made = Job(request, heard.append).run()
    assert [event.note for event in heard if event.kind == "note"] == list(made.notes)
    assert any(note.frames == (1,) for note in made.notes)


@pytest.mark.parametrize(
    "suffix", [".jpg", *(pytest.param(suffix, marks=pytest.mark.slow) for suffix in (".png", ".tif", ".webp"))]
)
def test_save_writes_the_same_file_as_a_job(stack: Path, tiny_model: Path, suffix: str) -> None:
    outputs = {
        "image": stack.parent / f"out{suffix}",
        "depth": stack.parent / "d.png",
        "veiled": stack.parent / "v.png",
    }
    made = Job(request_for(stack, tiny_model, **outputs)).run()
    assert isinstance(made.fused, FusionResult)
    maps = {"depth": stack.parent / "d2.png", "veiled": stack.parent / "v2.png"}
    save(made.fused, stack.parent / f"again{suffix}", **maps)
    for one, other in ((f"out{suffix}", f"again{suffix}"), ("d.png", "d2.png"), ("v.png", "v2.png")):
        assert (stack.parent / one).read_bytes() == (stack.parent / other).read_bytes()


RDF = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def write_photos(folder: Path) -> None:
    """Frames with what cameras write: EXIF with GPS, a colour profile, XMP."""
    folder.mkdir()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="' + RDF + b'"/></x:xmpmeta>'
    for position, frame in enumerate(focal_frames(64, 96, 3)):
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = "Maker", f"Model {position}"
        exif.get_ifd(0x8769)[0x9003] = f"2026:11:27 10:00:0{position}"
        exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, float(position)), 3: "E", 4: (13.0, 24.0, 0.0)})
        path = folder / f"f{position}.jpg"
        Image.fromarray(frame).save(path, quality=95, exif=exif, icc_profile=profile, xmp=packet)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_save_keeps_what_the_camera_wrote_as_the_command_does(tmp_path: Path, cli: Cli, suffix: str) -> None:
    write_photos(tmp_path / "stack")
    typed, saved = tmp_path / f"typed{suffix}", tmp_path / f"saved{suffix}"
    assert cli("fuse", tmp_path / "stack", "-o", typed, "--method", "laplacian", "--no-align").code == 0
    save(fuse(tmp_path / "stack", method="laplacian", align="none"), saved)
    assert typed.read_bytes() == saved.read_bytes()
    with Image.open(saved) as picture:
        exif = picture.getexif()
        assert (exif[0x010F], exif[0x0110]) == ("Maker", "Model 1")  # the middle frame
        assert exif.get_ifd(0x8825)[2][0] == 52
        assert picture.info["icc_profile"]
    assert read_metadata(saved).xmp


def test_save_refuses_what_it_cannot_write(stack: Path) -> None:
    result = fuse(stack, method="laplacian", align="none")
    with pytest.raises(OptionError, match="has no depth"):
        save(result, stack.parent / "out.png", depth=stack.parent / "d.png")
    with pytest.raises(OptionError, match="expected maps among"):
        save(result, stack.parent / "out.png", dept=stack.parent / "d.png")
    with pytest.raises(WriteError, match="is one of the frames"):
        save(result, stack / "f0.png")
    with pytest.raises(WriteError, match=r"ends in \.gif"):
        save(result, stack.parent / "out.gif")
    assert sorted(path.name for path in stack.parent.iterdir()) == ["stack"]
