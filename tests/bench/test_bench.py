"""The benchmark end to end on small scenes made here: reading, measuring, going on after failures, reporting."""

import base64
import csv
import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from allfocus.bench.crops import SIDE, cut_worst
from allfocus.bench.datasets import Scene, read_scenes
from allfocus.bench.report import FILES, make_folder, render_markdown, write_report
from allfocus.bench.rows import Row, closed_gap, failed, mean, read_reference
from allfocus.bench.run import evaluate, find_result
from allfocus.core.color import Array
from allfocus.errors import ConfigError, ModelError, ReadError, WriteError
from allfocus.metrics.fusion import fusion_scores
from allfocus.metrics.reference import psnr, ssim

SHAPE = (60, 72)


def picture(seed: int, shape: tuple[int, ...] = (*SHAPE, 3)) -> Array:
    noise = np.random.default_rng(seed).random(shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1)
    return np.rint(255 * (smooth - smooth.min()) / (smooth.max() - smooth.min())).astype(np.uint8)


def save(path: Path, image: Array) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image if image.ndim == 2 else image[..., ::-1])
    return path.name


def frames_of(sharp: Array) -> list[Array]:
    """Two frames, each sharp in one half; a little noise, so that no choice of pixels is perfect."""
    sharp = sharp ^ np.random.default_rng(0).integers(0, 3, sharp.shape).astype(np.uint8)
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 2))
    near, far = sharp.copy(), sharp.copy()
    near[:, SHAPE[1] // 2 :] = soft[:, SHAPE[1] // 2 :]
    far[:, : SHAPE[1] // 2] = soft[:, : SHAPE[1] // 2]
    return [near, far]


def scene_entry(folder: Path, name: str, seed: int, **more: Any) -> dict[str, Any]:
    """Write one scene's pictures and return its entry; the truth is left out with truth=None."""
    sharp = picture(seed)
    place = folder / name.replace("/", "_")
    frames = [f"{place.name}/{save(place / f'{k}.png', frame)}" for k, frame in enumerate(frames_of(sharp))]
    truth = f"{place.name}/{save(place / 'truth.png', sharp)}"
    return {"name": name, "frames": frames, "truth": truth, "registered": True, "border": 2, "kind": "photo"} | more


def scenes_file(folder: Path, entries: Any) -> Path:
    path = folder / "scenes.json"
    path.write_text(json.dumps(entries))
    return path


@pytest.fixture
def three(tmp_path: Path) -> list[Scene]:
    """Two scenes of one group with truth, one without."""
    entries = [scene_entry(tmp_path, "made/a", 1), scene_entry(tmp_path, "made/b", 2)]
    entries.append(scene_entry(tmp_path, "real/c", 3, truth=None))
    return read_scenes(scenes_file(tmp_path, entries))


def row_of(rows: list[Row], scene: str, method: str) -> Row:
    (found,) = [row for row in rows if (row.scene, row.method) == (scene, method)]
    return found


# Reading scenes


def test_a_scene_is_read_with_paths_relative_to_its_file(tmp_path: Path) -> None:
    entry = scene_entry(tmp_path, "made/a", 1, note="rendered", extra="for other tools")
    (scene,) = read_scenes(scenes_file(tmp_path, [entry]))
    assert scene.frames == (tmp_path / "made_a" / "0.png", tmp_path / "made_a" / "1.png")
    assert scene.truth == tmp_path / "made_a" / "truth.png"
    assert (scene.group, scene.border, scene.registered, scene.note) == ("made", 2, True, "rendered")


def test_only_name_and_frames_are_needed(tmp_path: Path) -> None:
    entry = scene_entry(tmp_path, "alone", 1)
    (scene,) = read_scenes(scenes_file(tmp_path, [{"name": "alone", "frames": entry["frames"]}]))
    assert (scene.truth, scene.registered, scene.border, scene.group) == (None, True, 0, "alone")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 3}, r"scene 1: name is 3; expected text"),
        ({"frames": "a.png"}, r"frames is 'a.png'; expected a list"),
        ({"frames": ["only.png"]}, r"\(x\): frames is .*two or more"),
        ({"frames": ["a.png", 2]}, r"two or more"),
        ({"frames": ["lost.png", "b.png"]}, r"\(x\): .*lost.png does not exist"),
        ({"truth": "lost.png"}, r"lost.png does not exist"),
        ({"truth": 1}, r"truth is 1; expected text or null"),
        ({"registered": "yes"}, r"registered is 'yes'; expected true or false"),
        ({"border": -1}, r"border is -1; expected 0 or more"),
        ({"border": True}, r"border is True; expected a whole number"),
        ({"border": 1.5}, r"border is 1.5; expected a whole number"),
    ],
)
def test_what_is_wrong_with_a_scene_is_said(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    entry = scene_entry(tmp_path, "x", 1) | change
    with pytest.raises(ConfigError, match=message):
        read_scenes(scenes_file(tmp_path, [entry]))


def test_files_that_are_no_list_of_scenes_are_refused(tmp_path: Path) -> None:
    for content, message in (({}, "holds no scenes"), ([], "holds no scenes"), (["x"], "scene 1 is 'x'")):
        with pytest.raises(ConfigError, match=message):
            read_scenes(scenes_file(tmp_path, content))
    for key in ("name", "frames"):
        entry = scene_entry(tmp_path, "x", 1)
        del entry[key]
        with pytest.raises(ConfigError, match=f"scene 1 has no {key}"):
            read_scenes(scenes_file(tmp_path, [entry]))
    entry = scene_entry(tmp_path, "x", 1)
    with pytest.raises(ConfigError, match="scene x is listed more than once"):
        read_scenes(scenes_file(tmp_path, [entry, entry]))


def test_missing_and_broken_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.json can't be read"):
        read_scenes(tmp_path / "nowhere.json")
    for content in (b"[{", b"\xff\xfe\x00"):
        (tmp_path / "broken.json").write_bytes(content)
        with pytest.raises(ConfigError, match=r"broken.json is not a JSON file"):
            read_scenes(tmp_path / "broken.json")


# Measuring


def test_each_scene_gets_its_yardsticks_and_methods(three: list[Scene]) -> None:
    seen: list[tuple[str, int, int]] = []
    rows = evaluate(three, methods=["laplacian"], progress=lambda *step: seen.append(step))
    assert [(row.scene, row.method) for row in rows] == [
        ("made/a", "wta"),
        ("made/a", "oracle"),
        ("made/a", "laplacian"),
        ("made/b", "wta"),
        ("made/b", "oracle"),
        ("made/b", "laplacian"),
        ("real/c", "wta"),
        ("real/c", "laplacian"),
    ]
    assert seen == [("evaluate", done, 3) for done in range(4)]
    assert not failed(rows)


def test_yardsticks_stand_at_zero_and_one_and_the_laplacian_rule_is_the_yardstick(three: list[Scene]) -> None:
    rows = evaluate(three[:1], methods=["laplacian"])
    wta, oracle, laplacian = (row_of(rows, "made/a", name) for name in ("wta", "oracle", "laplacian"))
    assert (wta.closed, oracle.closed) == (0, 1)
    assert laplacian.psnr_db == pytest.approx(wta.psnr_db)
    assert laplacian.wta_psnr_db == wta.psnr_db < oracle.psnr_db == laplacian.oracle_psnr_db
    assert laplacian.seconds > 0
    assert math.isnan(wta.seconds)
    assert math.isnan(laplacian.q_w)
    assert (laplacian.frames, laplacian.width, laplacian.height) == (2, 72, 60)


def test_ready_made_results_are_scored_like_methods(three: list[Scene], tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    images = {
        scene.name: np.asarray(cv2.GaussianBlur(picture(k), (0, 0), 0.6)) for k, scene in enumerate(three, start=1)
    }
    for name, image in images.items():
        save(folder / f"{name.replace('/', '__')}.png", image)
    rows = evaluate(three, methods=[], results={"mine": folder})
    first = row_of(rows, "made/a", "mine")
    assert first.psnr_db == pytest.approx(psnr(images["made/a"], picture(1), border=2))
    assert first.ssim == pytest.approx(ssim(images["made/a"], picture(1), border=2))
    last = row_of(rows, "real/c", "mine")
    expected = fusion_scores(frames_of(picture(3)), images["real/c"], border=2)
    assert [last.q_w, last.scd, last.q_g, last.q_mi, last.viff] == pytest.approx(
        [expected.q_w, expected.scd, expected.q_g, expected.q_mi, expected.viff]
    )
    assert math.isnan(last.psnr_db)


def test_lossless_results_are_found_first(tmp_path: Path) -> None:
    for ending in ("jpg", "tif", "png"):
        (tmp_path / f"a__b.{ending}").touch()
    assert find_result(tmp_path, "a/b").suffix == ".png"
    with pytest.raises(ReadError, match=r"no picture c.png"):
        find_result(tmp_path, "c")


def test_a_scene_that_fails_is_a_row_and_the_run_goes_on(three: list[Scene]) -> None:
    three[0].frames[1].write_bytes(b"no picture")
    rows = evaluate(three, methods=["laplacian"])
    (bad,) = failed(rows)
    assert (bad.scene, bad.method, math.isnan(bad.psnr_db)) == ("made/a", "laplacian", True)
    assert "1.png" in bad.error
    assert not row_of(rows, "made/b", "laplacian").error


def test_frames_that_do_not_fit_are_a_row_too(three: list[Scene]) -> None:
    save(three[0].frames[1], picture(5, (50, 72, 3)))
    (bad,) = failed(evaluate(three[:1], methods=["laplacian"]))
    assert "frame 2 (1.png) is 72x50" in bad.error


def test_one_missing_result_costs_only_its_own_row(three: list[Scene], tmp_path: Path) -> None:
    save(tmp_path / "mine" / "made__a.png", picture(1))
    save(tmp_path / "mine" / "made__b.png", picture(1, (10, 10, 3)))
    rows = evaluate(three, methods=["laplacian"], results={"mine": tmp_path / "mine"})
    assert [(row.scene, row.method) for row in failed(rows)] == [("made/b", "mine"), ("real/c", "mine")]
    assert "differ in size: 10x10 and 72x60" in row_of(rows, "made/b", "mine").error
    assert row_of(rows, "made/a", "mine").psnr_db == math.inf


def test_an_error_nobody_foresaw_is_reported_by_its_kind(three: list[Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError("deep\ninside")

    monkeypatch.setattr("time.process_time", break_down)  # it is measured by this clock
    (bad,) = failed(evaluate(three[:1], methods=["laplacian"]))
    assert bad.error == "ZeroDivisionError: deep inside"


def test_unregistered_scenes_are_left_out_unless_asked_for(three: list[Scene]) -> None:
    loose = dataclasses.replace(three[0], registered=False)
    assert {row.scene for row in evaluate([loose, three[1]], methods=["laplacian"])} == {"made/b"}
    assert {row.scene for row in evaluate([loose], methods=["laplacian"], unregistered=True)} == {"made/a"}
    with pytest.raises(ConfigError, match="none of 1 scenes is registered"):
        evaluate([loose], methods=["laplacian"])


def test_names_that_make_no_sense_are_refused_before_any_work(three: list[Scene], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown method 'magic'; expected network or laplacian"):
        evaluate(three, methods=["magic"])
    with pytest.raises(ConfigError, match="nothing to measure"):
        evaluate(three, methods=[])
    with pytest.raises(ConfigError, match="results can't be called oracle"):
        evaluate(three, results={"oracle": tmp_path})
    with pytest.raises(ConfigError, match=r"lost is not a folder"):
        evaluate(three, results={"mine": tmp_path / "lost"})


def test_the_old_name_of_the_laplacian_rule_works_and_warns(three: list[Scene]) -> None:
    with pytest.warns(DeprecationWarning, match="method 'classic' is called 'laplacian' now"):
        rows = evaluate(three[:1], methods=["classic"])
    assert [row.method for row in rows] == ["wta", "oracle", "laplacian"]
    assert not failed(rows)


def test_a_model_that_can_not_be_loaded_is_refused_before_any_work(three: list[Scene], tmp_path: Path) -> None:
    steps: list[object] = []
    with pytest.raises(ModelError):
        evaluate(three, methods=["network"], model=tmp_path / "lost.onnx", progress=lambda *step: steps.append(step))
    assert not steps


def test_closed_gap_and_mean_leave_undefined_figures_out() -> None:
    assert closed_gap(31, 30, 32) == 0.5
    assert closed_gap(29, 30, 32) == -0.5
    assert math.isnan(closed_gap(30, 30, 30))
    assert math.isnan(closed_gap(30, 30, math.inf))
    assert mean([1, math.nan, 3]) == 2
    assert math.isnan(mean([math.nan]))


# Crops


def test_the_crop_lies_where_the_result_is_worst() -> None:
    truth = picture(0, (400, 500))
    image = truth.copy()
    image[250:300, 300:350] ^= 128
    image[:2] ^= 128  # a worse place, but in the border
    index_map = np.zeros(truth.shape, np.uint16)
    index_map[200:, :] = 3
    crop = cut_worst([truth] * 5, image, index_map=index_map, truth=truth, best_map=0 * index_map, border=2)
    assert crop.top <= 250 <= 300 <= crop.top + SIDE
    assert crop.left <= 300 <= 350 <= crop.left + SIDE
    assert [word for word, _ in crop.pictures][:4] == ["result", "truth", "difference x 4", "index map"]
    assert "frame 4" in [word for word, _ in crop.pictures]
    shown = dict(crop.pictures)
    square = (slice(crop.top, crop.top + SIDE), slice(crop.left, crop.left + SIDE))
    for word, expected in (("result", image), ("truth", truth)):
        np.testing.assert_array_equal(decode(shown[word]), expected[square])


def test_errors_that_no_choice_of_frames_avoids_do_not_draw_the_crop() -> None:
    truth = picture(0, (400, 500))
    frame = truth.copy()
    frame[20:90, 20:90] ^= 128  # sharp in no frame
    image = frame.copy()
    image[300:330, 400:430] ^= 32
    best_map = np.zeros(truth.shape, np.uint16)
    crop = cut_worst([frame, frame], image, index_map=None, truth=truth, best_map=best_map)
    assert crop.top + SIDE >= 330
    assert crop.left + SIDE >= 430
    assert crop.difference == pytest.approx(32 * 30 * 30 / SIDE**2, rel=1e-3)


def test_without_a_truth_the_crop_is_compared_with_the_best_choice_known() -> None:
    frames = [picture(1), picture(2)]
    best_map = np.zeros(SHAPE, np.uint16)
    best_map[:, 30:] = 1
    crop = cut_worst(frames, frames[0], index_map=None, truth=None, best_map=best_map)
    assert [word for word, _ in crop.pictures] == ["result", "Laplacian rule", "difference x 4", "frame 1", "frame 2"]
    expected = np.where(best_map[..., None] == 0, frames[0], frames[1])
    np.testing.assert_array_equal(decode(dict(crop.pictures)["Laplacian rule"])[..., ::-1], expected)


def test_a_small_picture_is_shown_whole_and_deep_ones_in_8_bits() -> None:
    truth = picture(0).astype(np.uint16) * 257
    best_map = np.zeros(SHAPE, np.uint16)
    crop = cut_worst([truth, truth], truth, index_map=None, truth=truth, best_map=best_map)
    assert (crop.left, crop.top, crop.difference) == (0, 0, 0)
    np.testing.assert_array_equal(decode(dict(crop.pictures)["result"])[..., ::-1], picture(0))


def decode(png: bytes) -> Array:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED))


# Reports


def reference_file(folder: Path, text: str) -> Path:
    path = folder / "peers.csv"
    path.write_text(text)
    return path


def test_the_report_holds_figures_tables_and_pictures(three: list[Scene], tmp_path: Path) -> None:
    rows = evaluate(three, methods=["laplacian"])
    reference = reference_file(
        tmp_path, "scene,method,psnr_db,ssim,ring_psnr_db\nmade/a,peer,99.5,0.9990,nan\nmade/a,wta,1,,\nelse,peer,1,,\n"
    )
    files = write_report(rows, tmp_path / "report", reference=reference)
    assert [path.name for path in files] == [*FILES]
    assert {path.name for path in (tmp_path / "report").iterdir()} == {path.name for path in files}

    with files[0].open(newline="") as file:
        records = list(csv.DictReader(file))
    assert len(records) == len(rows) + 1  # the measured wta stands; scenes that were not measured are left out
    laplacian = next(r for r in records if (r["scene"], r["method"]) == ("made/a", "laplacian"))
    assert float(laplacian["psnr_db"]) == pytest.approx(row_of(rows, "made/a", "laplacian").psnr_db, rel=1e-5)
    assert laplacian["q_w"] == ""
    assert "crop" not in laplacian

    tables = files[1].read_text()
    assert "| made/a | " in tables
    assert "**99.50**" in tables
    assert "| made | peer † | 1 of 2 |" in tables
    assert "## Failures" not in tables

    page = files[2].read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) == sum(len(row.crop.pictures) for row in rows if row.crop)
    assert all(decode(base64.b64decode(text)).size for text in pictures)
    assert "://" not in page


def test_means_are_by_group_and_closed_is_a_ratio_of_means() -> None:
    def row(scene: str, method: str, psnr_db: float) -> Row:
        wta = {"g/a": 30.0, "h/b": 20.0}[scene]
        return Row(
            scene=scene,
            group=scene[0],
            method=method,
            has_truth=True,
            psnr_db=psnr_db,
            wta_psnr_db=wta,
            oracle_psnr_db=wta + {"g/a": 0.1, "h/b": 3.9}[scene],
        )

    text = render_markdown([row("g/a", "network", 29.0), row("h/b", "network", 22.0)])
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "| network |" in line]
    by_group = {line[0]: line for line in lines if len(line) > 4}
    assert by_group["g"][2:5] == ["1", "-1.00", "29.00"]
    assert by_group["all"][2:5] == ["2", "+0.50", "25.50"]
    assert by_group["all"][8] == "0.25"  # (-1 + 2) / (0.1 + 3.9), not the mean of -10 and 0.51


def test_failures_are_in_the_report_and_pipes_do_not_break_its_tables() -> None:
    text = render_markdown([Row(scene="a", group="a", method="network", error="no | way")])
    assert "## Failures" in text
    assert "| a | network | no \\| way |" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scene,method,psnr\n", "no column psnr_db"),
        ("scene,method,psnr_db,ssim,ring_psnr_db\na,b,high,,\n", "line 2: psnr_db is 'high'"),
        ("", "no column scene"),
    ],
)
def test_a_reference_that_is_no_table_of_figures_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_reference(reference_file(tmp_path, text), [])
    with pytest.raises(ConfigError, match="can't be read"):
        read_reference(tmp_path / "lost.csv", [])


def test_a_place_that_can_not_take_the_report_is_refused_before_work(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"folder .*lost does not exist; make it first"):
        make_folder(tmp_path / "lost" / "report")
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="is a file"):
        make_folder(tmp_path / "file")
    make_folder(tmp_path / "report")
    make_folder(tmp_path / "report")
    assert not list((tmp_path / "report").iterdir())
