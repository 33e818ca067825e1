"""Intervals, tests and tables of a report."""

import csv
import math
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from allfocus.bench import summary
from allfocus.bench.rows import Row
from allfocus.metrics.statistics import adjust, bootstrap, signed_rank_test
from conftest import Cli


def rows_of(figures: dict[str, list[float]], group: str = "g") -> list[Row]:
    """Rows of methods by what they reached on scene 0, 1, 2."""
    return [
        Row(scene=f"{group}/{k}", group=group, method=method, has_truth=True, psnr_db=value)
        for method, values in figures.items()
        for k, value in enumerate(values)
    ]


def test_the_interval_is_that_of_the_mean_of_a_normal_sample() -> None:
    values = np.random.default_rng(1).normal(30, 2, 400)
    found = bootstrap([*values, math.nan])
    assert found.mean == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert [found.low, found.high] == pytest.approx([values.mean() - half, values.mean() + half], abs=0.03)
    assert found == bootstrap([*values])


def test_intervals_need_two_numbers() -> None:
    assert math.isnan(bootstrap([]).mean)
    assert bootstrap([3.0]).mean == 3
    assert math.isnan(bootstrap([3.0]).low)
    assert bootstrap([1.0, math.inf]).mean == math.inf


def test_the_test_is_wilcoxons() -> None:
    # Darwin's plants, as in the documentation of scipy.stats.wilcoxon, which agrees; and its approximation for many
    apart = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]
    assert signed_rank_test(apart) == pytest.approx(0.041259765625)
    many = np.random.default_rng(0).normal(0.15, 1, 300)
    assert signed_rank_test([*many]) == pytest.approx(0.08133772055176658)


def test_equal_differences_share_a_rank_and_zeros_do_not_count() -> None:
    assert signed_rank_test([1, 1, 1, 1, 1, 0, math.nan]) == 2 / 2**5  # all of one sign: two of 32 ways
    assert signed_rank_test([1, -1, 1, -1]) == 1
    assert signed_rank_test([0, 0]) == 1
    assert math.isnan(signed_rank_test([]))


def test_several_tests_make_each_less_sure() -> None:
    assert adjust([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjust([0.5, 0.9]) == [1, 1]
    assert math.isnan(adjust([math.nan])[0])


def test_methods_are_compared_on_the_scenes_that_both_have() -> None:
    rows = rows_of(
        {"wta": [1, 2, 3, 4], "oracle": [9, 9, 9, 9], "network": [2, 3, 4, math.nan], "peer": [2, 1, math.nan, 7]}
    )
    found = {(each.method, each.other): each for each in summary.find_differences(rows)}
    assert [*found] == [("network", "wta"), ("network", "peer")]
    assert (found["network", "wta"].scenes, found["network", "wta"].wins) == (3, 3)
    assert found["network", "wta"].interval == (1, 1, 1)
    assert (found["network", "peer"].scenes, found["network", "peer"].wins) == (2, 1)
    assert found["network", "wta"].p == 0.25
    assert found["network", "wta"].adjusted == 0.5


def test_latex_marks_the_best_and_prints_any_name() -> None:
    rows = rows_of(
        {"oracle": [50.0] * 9, "network": [30.0 + k for k in range(9)], "a_b & c": [20.0 + k for k in range(9)]}
    )
    text = summary.render_latex(rows, summary.find_differences(rows))
    lines = {line.split(" & ")[0]: line for line in text.splitlines() if line.endswith(r"\\")}
    assert r"\textbf{34.00}" in lines["network"]
    assert r"{\scriptsize$\pm$" in lines["network"]
    assert "24.00$^*$" in text
    assert r"a\_b \& c" in text
    assert r"\textbf" not in lines["oracle"]
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1


def test_csv_files_hold_all_groups_and_no_nan() -> None:
    rows = rows_of({"network": [1, 3], "peer": [0, 0]}, "g") + rows_of({"network": [5], "peer": [5]}, "h")
    means = list(csv.DictReader(StringIO(summary.render_means_csv(summary.find_means(rows)))))
    assert [(line["group"], line["method"], float(line["mean"])) for line in means] == [
        ("g", "network", 2),
        ("g", "peer", 0),
        ("h", "network", 5),
        ("h", "peer", 5),
        ("all", "network", 3),
        ("all", "peer", pytest.approx(5 / 3, rel=1e-5)),
    ]
    assert means[2]["low"] == ""
    differences = list(csv.DictReader(StringIO(summary.render_differences_csv(summary.find_differences(rows)))))
    assert [(line["group"], line["scenes"], line["wins"]) for line in differences] == [
        ("g", "2", "2"),
        ("all", "3", "2"),
    ]


def test_a_data_set_is_measured_with_one_command_that_says_how_to_repeat_it(tmp_path: Path, cli: Cli) -> None:
    import cv2

    for k in range(3):
        sharp = np.random.default_rng(k).integers(0, 256, (24, 32), np.uint8)
        for folder, picture in (("source_1", sharp), ("source_2", cv2.blur(sharp, (3, 3))), ("full_clear", sharp)):
            (tmp_path / "MFI" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "MFI" / folder / f"{k}.png"), picture)
    done = cli(
        "evaluate", tmp_path / "MFI", "-o", tmp_path / "report", "--method", "laplacian", "--only", "*/[01]", "-q"
    )
    assert (done.code, done.err) == (0, "")
    text = (tmp_path / "report" / "report.md").read_text()
    assert f"allfocus evaluate {tmp_path / 'MFI'} -o {tmp_path / 'report'} --method laplacian --only '*/[01]'" in text
    assert "files of 2 scenes" in text
    assert {path.name for path in (tmp_path / "report").iterdir()} >= {"means.csv", "differences.csv", "tables.tex"}
