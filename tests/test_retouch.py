"""Retouch: strokes over a picture, undone without a trace, kept in a project, and fused again to the same bytes."""

import gc
import json
from dataclasses import replace
from pathlib import Path
from weakref import ref

import numpy as np
import pytest

from allfocus import ConfigError, FusionOptions, Job, JobRequest, Outputs, ReadError, Stroke
from allfocus.decision.model import FusionModel
from allfocus.decision.network import NetworkDecision
from allfocus.decision.painted import PaintedDecision
from allfocus.decision.sheet import Sheets
from allfocus.decision.stack_pyramid import StackPyramid
from allfocus.io import read_image, write_image
from allfocus.jobs.events import Aligned, Event, Kept
from allfocus.jobs.project import load_project, make_project, save_project
from allfocus.jobs.retouch import Retouch
from allfocus.pipeline import align, decide
from conftest import Cli
from pictures import focal_frames
from scenes import render_stalk

OPTIONS = FusionOptions(method="laplacian", align="none")


@pytest.fixture
def frames(tmp_path: Path) -> tuple[Path, ...]:
    folder = tmp_path / "stack"
    folder.mkdir()
    paths = tuple(folder / f"f{k}.png" for k in range(4))
    for path, frame in zip(paths, focal_frames(260, 300, 4, dtype="uint16"), strict=True):
        write_image(path, frame)
    return paths


@pytest.fixture
def kept(frames: tuple[Path, ...]) -> Kept:
    made = Job(JobRequest(frames=frames, outputs=Outputs(), options=OPTIONS), keep=True).run()
    assert made.kept is not None
    return made.kept


def strokes_everywhere(count: int) -> list[Stroke]:
    rng = np.random.default_rng(3)
    sources = [{"frame": 0}, {"frame": 3}, {"source": "nearer"}, {"source": "farther"}, {"source": "original"}]
    return [
        Stroke(
            **sources[k % len(sources)],  # type: ignore[arg-type]
            points=tuple((round(float(x), 2), round(float(y), 2)) for x, y in rng.uniform(-9, 300, (2, 2))),
            radius=float(rng.integers(2, 40)),
            hardness=float(k % 3) / 2,
            gain=1.0 if k % 2 else 1.25,
        )
        for k in range(count)
    ]


@pytest.mark.slow
def test_what_was_painted_is_undone_without_a_trace(kept: Kept) -> None:
    retouch = Retouch(kept)
    before = [plane.tobytes() for plane in (kept.canvas.images[0], *kept.canvas.maps.values())]
    strokes = strokes_everywhere(30)
    for k in range(1, 31):
        retouch.change(strokes[:k])
    assert kept.canvas.images[0].tobytes() != before[0]
    retouch.change(strokes[:7])
    retouch.change([])
    assert [plane.tobytes() for plane in (kept.canvas.images[0], *kept.canvas.maps.values())] == before


@pytest.mark.slow
def test_a_job_with_the_strokes_makes_what_was_painted_step_by_step(kept: Kept) -> None:
    retouch = Retouch(kept)
    strokes = strokes_everywhere(12)
    for k in range(1, 13):
        retouch.change(strokes[:k])
    strokes[4] = replace(strokes[4], visible=False)
    retouch.change(strokes)
    again = Job(replace(kept.request, strokes=tuple(strokes)), keep=True).run()
    assert np.array_equal(again.fused.image, retouch.result().image)  # type: ignore[union-attr]
    assert np.array_equal(again.fused.index_map, retouch.result().index_map)  # type: ignore[union-attr]


@pytest.mark.slow
def test_the_network_s_faint_weights_count_in_whole_squares(frames: tuple[Path, ...]) -> None:
    made = Job(JobRequest(frames=frames, outputs=Outputs()), keep=True).run()
    assert made.kept is not None
    retouch = Retouch(made.kept)
    for stroke in strokes_everywhere(6):
        retouch.change([replace(stroke, gain=1.0, radius=12)])
        again = Job(replace(retouch.request), keep=True, reuse=made.kept).run()
        assert np.array_equal(again.fused.image, retouch.canvas.images[0])  # type: ignore[union-attr]


@pytest.mark.slow
def test_where_halos_are_removed_it_settles_to_what_a_job_makes(tmp_path: Path) -> None:
    paths = (tmp_path / "near.png", tmp_path / "far.png")
    for path, frame in zip(paths, render_stalk(height=300, width=420)[0], strict=True):
        write_image(path, frame)
    request = JobRequest(frames=paths, outputs=Outputs(), options=FusionOptions(align="none"))
    made = Job(request, keep=True).run()
    assert made.kept is not None
    assert made.kept.veil is not None
    assert made.kept.veil.removed.any()
    canvas = made.kept.canvas
    before = [plane.tobytes() for plane in (canvas.images[0], made.kept.veil.share, *canvas.maps.values())]
    retouch = Retouch(made.kept)
    strokes = [
        Stroke(frame=1, points=((215, 150), (235, 60)), radius=18),
        Stroke(source="nearer", points=((120, 150),), radius=30, hardness=1),
        Stroke(source="original", points=((215, 140),), radius=8),
    ]
    for k in range(1, 4):
        retouch.change(strokes[:k])
        if k != 2:
            retouch.settle_next()
    result = retouch.result()
    again = Job(replace(retouch.request), keep=True, reuse=made.kept).run().fused
    assert np.array_equal(again.image, result.image)  # type: ignore[union-attr]
    assert np.array_equal(again.veil.share, result.veil.share)  # type: ignore[union-attr]
    assert np.array_equal(again.quality.veiled, result.quality.veiled)  # type: ignore[union-attr]
    retouch.change([])
    retouch.settle()
    assert [plane.tobytes() for plane in (canvas.images[0], made.kept.veil.share, *canvas.maps.values())] == before


@pytest.mark.slow
def test_a_project_holds_transforms_and_nothing_is_aligned_again(frames: tuple[Path, ...], tmp_path: Path) -> None:
    options = FusionOptions(method="laplacian", order="focus")
    made = Job(JobRequest(frames=frames, outputs=Outputs(), options=options), keep=True).run()
    assert made.kept is not None
    alignment = made.kept.registered.alignment
    assert alignment is not None
    aligned = Aligned(alignment=alignment, options=options, size=(260, 300))
    project = tmp_path / "x.allfocus.json"
    save_project(project, make_project(replace(made.kept.request, aligned=aligned)))
    loaded, stages = load_project(project), list[str]()
    again = Job(loaded.request(), lambda event: stages.append(event.stage)).run()
    assert np.array_equal(again.fused.image, made.fused.image)  # type: ignore[union-attr]
    assert "align" not in stages
    changed = replace(loaded.request(), options=replace(options, align="translation"))
    stages.clear()
    Job(changed, lambda event: stages.append(event.stage)).run()
    assert "align" in stages
    document = json.loads(project.read_text())
    project.write_text(json.dumps(document | {"transforms": {**document["transforms"], "order": [0, 0]}}))
    with pytest.raises(ConfigError, match="damaged"):
        load_project(project)
    del document["transforms"], document["plane"]
    project.write_text(json.dumps(document))  # as they were written before
    assert load_project(project).aligned is None


def test_a_stroke_from_another_decision(kept: Kept) -> None:
    layers = {"guess": replace(OPTIONS, compose="hard")}
    retouch = Retouch(kept)
    before = kept.canvas.images[0].copy()
    everywhere = Stroke(source="guess", points=((150, 130),), radius=400)
    retouch.change([everywhere], layers)
    assert np.array_equal(kept.canvas.images[0], before)  # it decides the same
    with pytest.raises(ConfigError, match="'other'"):
        retouch.change([replace(everywhere, source="other")], layers)
    with pytest.raises(ConfigError, match="its alignment differs"):
        retouch.change([everywhere], {"guess": replace(OPTIONS, align="affine")})


def test_nearer_takes_the_frame_before(kept: Kept) -> None:
    index_map = kept.canvas.maps["index_map"].copy()
    Retouch(kept).change([Stroke(source="nearer", points=((150, 130),), radius=60, hardness=1)])
    assert kept.canvas.maps["index_map"][130, 150] == max(index_map[130, 150] - 1, 0)
    assert kept.canvas.maps["index_map"][0, 0] == index_map[0, 0]


def test_brightness_is_matched_along_the_edge(tmp_path: Path) -> None:
    dark, bright = np.full((200, 220, 3), 120, np.uint8), np.full((200, 220, 3), 160, np.uint8)
    for frame, seed in ((dark, 1), (bright, 2)):
        frame += np.random.default_rng(seed).integers(0, 4, frame.shape).astype(np.uint8)
    paths = (tmp_path / "a.png", tmp_path / "b.png")
    for path, frame in zip(paths, (dark, bright), strict=True):
        write_image(path, frame)
    request = JobRequest(frames=paths, outputs=Outputs(), options=replace(OPTIONS, exposure="keep"))
    made = Job(request, keep=True).run()
    assert made.kept is not None
    canvas = made.kept.canvas
    canvas.images[0][...] = dark  # whatever was decided, the picture is the dark one
    retouch = Retouch(made.kept)
    stroke = retouch.match(Stroke(frame=1, points=((110, 100),), radius=50, hardness=0.8))
    retouch.change([stroke])
    assert stroke.gain == pytest.approx(0.54, abs=0.02)  # of linear light
    assert abs(float(canvas.images[0][100, 110].mean()) - 121.5) < 3
    everywhere = Stroke(frame=0, points=((110, 100),), radius=400, hardness=1)
    retouch.change([everywhere, stroke])
    assert np.abs(canvas.images[0].astype(int) - dark).max() <= 6  # no rim where the stroke ends


@pytest.mark.slow
def test_a_project_writes_the_same_bytes(kept: Kept, frames: tuple[Path, ...], tmp_path: Path, cli: Cli) -> None:
    retouch = Retouch(kept)
    retouch.change(strokes_everywhere(8))
    project = tmp_path / "x.allfocus.json"
    save_project(project, make_project(retouch.request))
    assert load_project(project).strokes == retouch.request.strokes
    done = cli("fuse", "--project", project, "-o", tmp_path / "out.tif", "--outputs", "image,index")
    assert done.code == 0, done.err
    assert np.array_equal(read_image(tmp_path / "out.tif"), kept.canvas.images[0])
    from allfocus.jobs.job import write_result

    outputs = Outputs(image=tmp_path / "page.tif")
    write_result(retouch.result(), replace(retouch.request, outputs=outputs), 0.0)
    assert (tmp_path / "page.tif").read_bytes() == (tmp_path / "out.tif").read_bytes()
    assert cli("fuse", "--project", project).code == 0
    assert (tmp_path / "x.fused.png").is_file()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d | {"format": "x"}, "no project of this version"),
        (lambda d: d | {"frames": [{"path": "no.png", "sha256": ""}]}, "no.png is missing"),
        (lambda d: d | {"strokes": [{"frame": "f9.png", "points": [[1, 1]], "radius": 3}]}, "no such frame"),
        (lambda d: d | {"strokes": [{"frame": "f0.png", "points": [], "radius": 3}]}, "without points"),
        (lambda d: d | {"strokes": [{"frame": "f0.png", "points": [[1, 1]], "radius": -3}]}, "radius"),
        (lambda d: d | {"strokes": [{"frame": "f0.png", "points": [["a", 1]], "radius": 3}]}, "damaged"),
        (lambda d: d | {"strokes": 5}, "damaged"),
        (lambda d: d | {"options": {"metod": "x"}}, "did you mean method"),
        (lambda d: d | {"leave_out": ["f7.png"], "strokes": []}, "f7.png"),
        (lambda d: [d], "no project"),
    ],
)
def test_a_project_that_makes_no_sense_is_one_line(
    frames: tuple[Path, ...], tmp_path: Path, cli: Cli, change: object, says: str
) -> None:
    project = tmp_path / "x.allfocus.json"
    save_project(project, make_project(JobRequest(frames=frames, outputs=Outputs(), options=OPTIONS)))
    project.write_text(json.dumps(change(json.loads(project.read_text()))))  # type: ignore[operator]
    done = cli("fuse", "--project", project)
    assert done.code in (1, 2)
    assert says in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "x.fused.png").exists()


def test_a_frame_that_has_changed_is_named(frames: tuple[Path, ...], tmp_path: Path) -> None:
    project = tmp_path / "x.allfocus.json"
    save_project(project, make_project(JobRequest(frames=frames, outputs=Outputs())))
    write_image(frames[2], read_image(frames[1]))
    with pytest.raises(ReadError, match=r"f2\.png has changed"):
        load_project(project)


def test_frames_and_a_project_don_t_go_together(frames: tuple[Path, ...], cli: Cli) -> None:
    for typed in (["fuse"], ["fuse", frames[0], "--project", "x.allfocus.json"]):
        done = cli(*typed)
        assert (done.code, len(done.err.splitlines())) == (2, 1)


def test_a_job_goes_on_from_what_was_kept(frames: tuple[Path, ...], kept: Kept) -> None:
    events: list[str] = []
    request = replace(kept.request, options=replace(OPTIONS, compose="hard"))
    made = Job(request, lambda event: events.append(event.stage or event.kind), previews=True, keep=True, reuse=kept)
    again = made.run()
    assert again.kept is not None
    assert again.kept.decision is kept.decision
    assert "read" not in events
    fresh = Job(request).run()
    assert np.array_equal(again.fused.image, fresh.fused.image)  # type: ignore[union-attr]
    fewer = Job(replace(request, leave_out=("f1.png",)), keep=True, reuse=kept).run()
    assert fewer.fused.names == ("f0.png", "f2.png", "f3.png")  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_job_that_goes_on_holds_nothing_of_the_ones_before(frames: tuple[Path, ...]) -> None:
    kept, pictures = None, []
    for compose in ("hard", "band", "hard"):
        request = JobRequest(frames=frames, outputs=Outputs(), options=replace(OPTIONS, compose=compose))
        kept = Job(request, keep=True, reuse=kept).run().kept
        assert kept is not None
        pictures.append(ref(kept.canvas))
    gc.collect()
    assert [picture() is None for picture in pictures] == [True, True, False]


@pytest.mark.slow
def test_hundreds_of_gains_take_no_more_room(kept: Kept) -> None:
    strokes = [
        Stroke(frame=k % 3, points=((120 + k % 40, 130),), radius=30, gain=0.8 + k / 500, hardness=0.2)
        for k in range(200)
    ]
    painted = PaintedDecision(kept.decision, strokes)
    [choice, *_] = [painted.decide_tile(tile) for tile in painted.tiles()]
    assert len(choice.candidates) <= painted.count
    assert np.allclose(choice.weights.sum(axis=0), 1, atol=1e-4)
    assert choice.gains is not None
    assert choice.gains.shape == choice.weights.shape


def test_leaving_out_names_frames_that_are_there_and_leaves_two(frames: tuple[Path, ...]) -> None:
    request = JobRequest(frames=frames, outputs=Outputs(), options=OPTIONS)
    with pytest.raises(ConfigError, match="leave-out f9"):
        Job(replace(request, leave_out=("f9",))).check()
    with pytest.raises(ValueError, match="at least 2"):
        Job(replace(request, leave_out=("f0.png", "f1.png", "f2.png"))).check()


def test_one_more_stroke_is_laid_over_what_is_painted(kept: Kept) -> None:
    sheets, strokes = Sheets(), strokes_everywhere(12)
    for k in (3, 7, 12, 5, 12):  # more, fewer, and more again
        kept_on = PaintedDecision(kept.decision, strokes[:k], sheets=sheets)
        anew = PaintedDecision(kept.decision, strokes[:k])
        for tile in anew.tiles():
            one, other = kept_on.decide_tile(tile), anew.decide_tile(tile)
            assert one.weights.tobytes() == other.weights.tobytes()
            assert one.candidates.tolist() == other.candidates.tolist()
            assert one.index_map.tobytes() == other.index_map.tobytes()
    [tile, *_] = anew.tiles()
    assert sheets.take(tile, [(stroke, None) for stroke in strokes[1:]]) is None  # another first stroke


def test_a_brush_above_the_picture_changes_nothing(kept: Kept) -> None:
    retouch = Retouch(kept)
    before = kept.canvas.images[0].tobytes()
    for x, y, source in ((50, 60, ""), (-900, 5, "nearer"), (299, 259, "original")):
        retouch.warm(x, y, 40, source)
    assert kept.canvas.images[0].tobytes() == before
    with pytest.raises(ConfigError, match="nowhere"):
        retouch.warm(50, 60, 40, "nowhere")


@pytest.mark.slow
def test_depth_is_measured_once_somebody_asks_and_is_that_of_a_job(frames: tuple[Path, ...]) -> None:
    plain = Job(JobRequest(frames=frames, outputs=Outputs(), options=FusionOptions(align="none")), keep=True).run()
    assert plain.kept is not None
    assert "depth" not in plain.kept.canvas.maps
    retouch = Retouch(plain.kept)
    corner = retouch.depths.unknown((slice(5, 6), slice(5, 6)))
    retouch.measure_depth(corner)
    assert corner[0] not in retouch.depths.unknown()
    strokes = strokes_everywhere(5)
    retouch.change(strokes)
    assert corner[0] in retouch.depths.unknown()  # painted on since
    assert retouch.result().depth is None
    asked = replace(plain.kept.request, strokes=tuple(strokes), options=FusionOptions(align="none", depth=True))
    again, found = Job(asked).run().fused, retouch.result(depth=True)
    assert not retouch.depths.unknown()
    for name in ("image", "depth", "depth_error"):
        assert np.array_equal(getattr(again, name), getattr(found, name), equal_nan=True), name


def test_no_depth_is_measured_where_nothing_knows_of_it(kept: Kept) -> None:
    retouch = Retouch(kept)
    assert not retouch.depths.can_be_measured
    assert retouch.depths.unknown() == []
    assert retouch.result(depth=True).depth is None


@pytest.mark.slow
def test_a_layer_that_prefers_other_frames_asks_the_network_nothing(
    frames: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = FusionOptions(align="none")
    layers = {"near": replace(options, prefer="near", depth=True)}
    request = JobRequest(frames=frames, outputs=Outputs(), options=options, layers=layers)
    kept = Job(request, keep=True).run().kept
    assert kept is not None
    alone = decide(kept.registered, options=layers["near"])
    best = np.concatenate([alone.decide_tile(tile).index_map for tile in alone.tiles()])
    everywhere = Stroke(source="near", points=((150, 130),), radius=400, hardness=1)
    again = Job(replace(request, strokes=(everywhere,))).run().fused
    asked: list[object] = []
    monkeypatch.setattr(StackPyramid, "__init__", lambda self, *given, **named: asked.append(self))
    monkeypatch.setattr(FusionModel, "refine", lambda self, *given, **named: asked.append(self))
    retouch = Retouch(kept)
    retouch.change([everywhere])
    found = retouch.result()
    assert not asked
    assert np.array_equal(found.index_map, best)  # one tile
    assert found.image.tobytes() == again.image.tobytes()


@pytest.mark.slow
def test_a_preference_added_later_is_that_of_a_decision_made_with_it() -> None:
    registered = align(focal_frames(530, 700, 4), align="none")
    with_depth, plain = decide(registered, prefer="far", depth=True), decide(registered)
    assert isinstance(plain, NetworkDecision)
    derived = plain.preferring("far", depth=True)
    assert len(derived.tiles()) > 1
    for tile in derived.tiles():
        found, wanted, before = (one.decide_tile(tile) for one in (derived, with_depth, plain))
        assert (found.index_map == wanted.index_map).mean() > 0.998
        assert (found.index_map >= before.index_map).all()
        assert found.depth is not None
        assert before.depth is None


def test_what_was_kept_is_no_part_of_the_job_any_more(frames: tuple[Path, ...]) -> None:
    told: list[Event] = []
    job = Job(JobRequest(frames=frames, outputs=Outputs(), options=OPTIONS), told.append, keep=True)
    kept = job.run().kept
    assert kept is not None
    job.cancel()
    before = len(told)
    kept.registered.run.report("coarse", 1, 2)  # does not raise
    kept.decision.decide_tile(kept.decision.tiles()[0])
    assert len(told) == before
