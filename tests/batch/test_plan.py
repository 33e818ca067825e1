"""Where outputs go, which tasks there are, and what a plan says of them."""

import json
import socket
from contextlib import nullcontext, suppress
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from allfocus.batch import cluster
from allfocus.batch.estimate import describe_plan, plan_lines
from allfocus.batch.run import Work, plan_batch
from allfocus.batch.tasks import is_same, look_again
from allfocus.batch.wishes import BatchOptions
from allfocus.cli import main
from allfocus.errors import BatchError, OptionError
from allfocus.jobs import JobRequest
from allfocus.options import FusionOptions
from allfocus.outputs.wishes import Outputs
from batch.stacks import write_stack, write_tree


def plan(root: Path, listed: str | None = None, outputs: Outputs | None = None, **wishes: Any) -> Work:
    options = FusionOptions(method=wishes.pop("method", "network"))
    request = JobRequest(frames=(), outputs=outputs or Outputs(), options=options)
    return plan_batch([root], root.parent / "out", request, BatchOptions(**wishes), listed)


def test_outputs_have_the_shape_of_the_folders(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", 2)
    write_stack(tmp_path / "in/flat", ("a_z1.jpg", "a_z2.jpg", "b_z1.jpg", "b_z2.jpg"))
    names = [task.name for task in plan(tmp_path / "in").tasks]
    assert names == ["flat/a.jpg", "flat/b.jpg", "plate0/well00.png", "plate1/well01.png"]


def test_patterns_name_pictures_maps_and_reports(tmp_path: Path) -> None:
    write_stack(tmp_path / "in", ("A1_z1.png", "A1_z2.png", "B7_z1.png", "B7_z2.png"))
    outputs = Outputs(index_map=Path("maps/{stack}.tif"), report=(Path("{row}/{stack}.html"),))
    work = plan(tmp_path / "in", outputs=outputs, group="(?P<row>[A-H])([0-9])", name="{row}/{first}")
    found = work.tasks[1].request.outputs
    paths = [path.relative_to(work.out).as_posix() for path in (*found.pictures, *found.texts)]
    assert paths == ["B/B7_z1.png", "maps/B_7.tif", "B/B_7.html"]


@pytest.mark.parametrize("name", ["same", "../{stack}", "/{stack}", "{nobody}", "{stack!r}", "{stack", "{stack.x}"])
def test_patterns_that_lead_nowhere_are_refused(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path / "in", 2)
    with pytest.raises(OptionError):
        plan(tmp_path / "in", name=name)


def test_stacks_of_one_name_are_told_apart(tmp_path: Path) -> None:
    write_stack(tmp_path / "in/a/b", ("f1.png", "f2.png"))
    write_stack(tmp_path / "in/a", ("b_z1.png", "b_z2.png", "c_z1.png", "c_z2.png"))
    names = [task.name for task in plan(tmp_path / "in").tasks]
    assert len(set(names)) == 3


def test_shards_share_all_stacks(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", 5)
    parts = [{task.name for task in plan(tmp_path / "in", shard=f"{k}/2").tasks} for k in (1, 2)]
    assert [len(part) for part in parts] == [3, 2]
    assert not parts[0] & parts[1]


def test_a_task_is_known_by_frames_options_and_outputs_but_not_by_memory(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", 1)
    (task,) = plan(tmp_path / "in").tasks
    (other,) = plan(tmp_path / "in", method="laplacian").tasks
    (more,) = plan(tmp_path / "in", "image,index").tasks
    assert len({task.digest, other.digest, more.digest}) == 3
    request = JobRequest(frames=(), outputs=Outputs(), options=FusionOptions(max_memory="2GB"))
    (memory,) = plan_batch([tmp_path / "in"], tmp_path / "out", request, BatchOptions()).tasks
    assert memory.digest == task.digest
    frame = task.frames[0]
    frame.write_bytes(frame.read_bytes() + b" ")
    assert not is_same(task.inputs, look_again(task).inputs)


def test_with_hashes_a_touched_file_is_the_same(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", 1)
    (task,) = plan(tmp_path / "in", hash=True).tasks
    task.frames[0].touch()
    assert is_same(task.inputs, look_again(task, hashed=True).inputs)
    assert not is_same(task.inputs, look_again(task).inputs)


def test_a_plan_lists_stacks_what_is_left_over_and_what_it_takes(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", 2)
    write_stack(tmp_path / "in/lone", ("one.png", "two.png"))[1].unlink()
    shown = describe_plan(plan(tmp_path / "in"), 1)
    assert [row["count"] for row in shown["stacks"]] == [2, 2]
    assert [Path(one["path"]).name for one in shown["left_over"]] == ["one.png"]
    assert shown["seconds"] > 0
    assert shown["disk"] > 0
    assert "2 stacks, 1 files left over" in plan_lines(shown)[-1]


def test_a_dry_run_prints_the_plan_as_json_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tree(tmp_path / "in", 2)
    assert main(["batch", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--dry-run", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["stacks"]) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [[], ["-o", ""], ["--shard", "9/3"], ["--depth", "x.tif", "--method", "laplacian"]])
def test_wrong_usage_is_one_line_and_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    write_tree(tmp_path / "in", 1)
    out = ["-o", str(tmp_path / "out")] if more and more[0] != "-o" else []
    assert main(["batch", str(tmp_path / "in"), *out, *more]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.6\r\n"])
def test_what_is_no_scheduler_is_told_before_dask_tries_it(greeting: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            line, _ = server.accept()
            with line, suppress(OSError):
                line.sendall(greeting)
                line.recv(1)  # until the other side leaves

        thread = Thread(target=greet, daemon=True)
        thread.start()
        with pytest.raises(ValueError, match="no scheduler of Dask"):
            cluster.knock(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


def test_an_address_without_a_port_is_none() -> None:
    with pytest.raises(ValueError, match="no address"):
        cluster.knock("nonsense")


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ([], False),
        ([{"status": "paused", "metrics": {}}, {"status": "paused"}], True),
        ([{"status": "paused"}, {"status": "running"}], False),
        ([{"status": "paused", "metrics": {"task_counts": {"executing": 1}}}], False),
    ],
)
def test_workers_that_dask_has_paused_for_good_are_told(workers: list[dict[str, Any]], said: bool) -> None:
    assert cluster.are_paused(workers) is said
    info = SimpleNamespace(status="running", id="", scheduler_info=lambda: {"workers": dict(enumerate(workers))})
    crew = cluster.Crew(info, "tcp://head:8786", None)  # type: ignore[arg-type]
    crew.check("1 of 2", heard=False)
    crew._heard -= 60
    with pytest.raises(BatchError, match="larger --memory-limit; 1 of 2") if said else nullcontext():
        crew.check("1 of 2", heard=False)
