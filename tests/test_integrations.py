"""The small files under integrations/: in the programs they are for where these are installed, else in stand-ins."""

import configparser
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allfocus.io import read_image, write_image
from pictures import focal_frames

ROOT = Path(__file__).parent.parent
HERE = ROOT / "integrations"

#: Options that make a fusion cheap.
CHEAP = "--method laplacian --no-align --halos keep"

#: What the script asks of darktable, written down from the manual of its Lua API.
STAND_IN = """
function stand_in(program, execute)
  local seen = { printed = {}, imported = {}, tags = {} }
  local tags = { { name = "beetle" }, { name = "darktable|exported" } }
  package.loaded.darktable = {
    configuration = { running_os = "linux", has_gui = true },
    preferences = { register = function() end, read = function() return program end },
    new_widget = function() return function(widget) return widget end end,
    print = function(line) table.insert(seen.printed, line) end,
    control = { execute = execute },
    tags = {
      get_tags = function() return tags end,
      attach = function(tag) table.insert(seen.tags, tag.name) end,
    },
    database = { import = function(path)
      table.insert(seen.imported, path)
      return { group_with = function(_, other) seen.group = other.filename end }
    end },
    register_storage = function(name, _, _, _, _, _, widget) seen.name, seen.options = name, widget end,
  }
  return seen
end
"""


@pytest.fixture
def frames(tmp_path: Path) -> list[Path]:
    """Three frames in a folder whose name a shell would take apart, as a program exports them."""
    folder = tmp_path / "it's a stack"
    folder.mkdir()
    paths = [folder / f"frame {number}.tif" for number in range(3)]
    for path, frame in zip(paths, focal_frames(48, 56, 3), strict=True):
        write_image(path, frame)
    return paths


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executable that is this allfocus."""
    path = tmp_path / "bin" / "allfocus"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m allfocus "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    return path


@pytest.fixture
def fused(frames: list[Path], cli: Any) -> np.ndarray:
    """What the frames are fused to."""
    target = frames[0].parent.parent / "wanted.png"
    assert cli("fuse", *frames, "-o", target, *CHEAP.split()).code == 0
    return read_image(target)


class InDarktable:
    """The script in a stand-in for darktable, or in Lua at least."""

    def __init__(self, program: Path) -> None:
        lua = pytest.importorskip("lupa", reason="needs lupa, an interpreter of Lua").LuaRuntime()
        lua.execute(STAND_IN)
        self.lua = lua
        self.seen = lua.globals().stand_in(str(program), lambda line: subprocess.run(line, shell=True).returncode)
        self.script = lua.execute((HERE / "darktable/allfocus.lua").read_text(encoding="utf-8"))
        self.seen.options.text = CHEAP

    def export(self, frames: list[Path], folder: Path) -> None:
        """What darktable does once it has exported frames of pictures in `folder`."""
        exported = self.lua.table()
        for path in frames:
            exported[self.lua.table(path=str(folder), filename=f"{path.stem}.ARW")] = str(path)
        self.script.finish(None, exported)


@pytest.mark.slow
def test_darktable_gets_the_picture_and_none_is_overwritten(
    frames: list[Path], program: Path, fused: np.ndarray, tmp_path: Path
) -> None:
    darktable = InDarktable(program)
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "frame 0-fused.tif").write_bytes(b"another one")
    darktable.export(frames, folder)
    target = folder / "frame 0-fused-2.tif"
    assert list(darktable.seen.imported.values()) == [str(target)]
    assert np.array_equal(read_image(target), fused)
    assert (folder / "frame 0-fused.tif").read_bytes() == b"another one"
    assert darktable.seen.group == "frame 0.ARW"
    assert list(darktable.seen.tags.values()) == ["beetle"]
    assert not list(frames[0].parent.iterdir())  # what was exported is not left behind


@pytest.mark.parametrize("words", [["oops"], []])
def test_darktable_says_what_went_wrong_in_one_line(
    frames: list[Path], program: Path, tmp_path: Path, words: list[str]
) -> None:
    if words:
        program.write_text("#!/bin/sh\necho 'error: frame 1: no picture' >&2\nexit 1\n", encoding="utf-8")
    else:
        program.unlink()
    darktable = InDarktable(program)
    darktable.export(frames, tmp_path)
    (said,) = darktable.seen.printed.values()
    assert said.startswith("allfocus: ")
    assert ("frame 1: no picture" in said) if words else ("not found" in said)
    assert not list(darktable.seen.imported.values())
    assert not list(frames[0].parent.iterdir())


def test_darktable_offers_what_allfocus_reads(program: Path) -> None:
    script = InDarktable(program).script
    for extension, is_read in (("tif", True), ("png", True), ("jpg", True), ("pdf", False), ("exr", False)):
        assert script.supported(None, {"extension": extension}) == is_read


#: darktable-cli ends with its own export, so the script runs while that waits.
DARKTABLE_RUN = """
local dt = require "darktable"
package.path = os.getenv("ALLFOCUS_LUA") .. "/?.lua;" .. package.path
local allfocus = require "allfocus"
allfocus.options.text = os.getenv("ALLFOCUS_OPTIONS")
dt.preferences.write("allfocus", "program", "string", os.getenv("ALLFOCUS_PROGRAM"))
local is_done = false
dt.register_event("allfocus", "intermediate-export-image", function()
  if is_done then return end
  is_done = true
  local exported = {}
  for path in os.getenv("ALLFOCUS_FRAMES"):gmatch("[^\\n]+") do
    exported[dt.database.import(path)] = path:gsub("%.tif$", ".out.tif")
  end
  local picture = allfocus.finish(nil, exported)
  print("FUSED " .. picture.filename .. " in the group of " .. picture.group_leader.filename)
  io.stdout:flush()
end)
"""


@pytest.mark.slow
def test_darktable_itself_runs_the_script(frames: list[Path], program: Path, tmp_path: Path) -> None:
    if shutil.which("darktable-cli") is None:
        pytest.skip("darktable is not installed")
    (tmp_path / "run.lua").write_text(DARKTABLE_RUN, encoding="utf-8")
    for path in frames:
        shutil.copy(path, path.with_suffix(".out.tif"))
    own = {
        "ALLFOCUS_LUA": str(HERE / "darktable"),
        "ALLFOCUS_PROGRAM": str(program),
        "ALLFOCUS_OPTIONS": CHEAP,
        "ALLFOCUS_FRAMES": "\n".join(map(str, frames)),
    }
    core = ["--core", "--configdir", "config", "--library", ":memory:", "--luacmd", "dofile('run.lua')", "-d", "lua"]
    done = subprocess.run(
        ["darktable-cli", str(frames[0]), "first.png", *core],
        cwd=tmp_path,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "FUSED frame 0-fused.tif in the group of frame 0.tif" in done.stdout, done.stdout + done.stderr
    assert (frames[0].parent / "frame 0-fused.tif").exists()
    assert not list(frames[0].parent.glob("*.out.tif"))


GIMP_RUN = """
import json, os
from gi.repository import Gimp, Gio
paths = json.loads(os.environ["ALLFOCUS_FRAMES"])
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(paths[0]))
for path in paths[1:]:
    layer = Gimp.file_load_layer(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(path))
    image.insert_layer(layer, None, 0)
procedure = Gimp.get_pdb().lookup_procedure("allfocus-fuse-layers")
config = procedure.create_config()
config.set_property("image", image)
config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
config.set_property("program", os.environ["ALLFOCUS_PROGRAM"])
config.set_property("options", os.environ["ALLFOCUS_OPTIONS"])
result = procedure.run(config)
print("STATUS", result.index(0), Gimp.get_pdb().get_last_error())
print("LAYERS", [layer.get_name() for layer in image.get_layers()])
Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(os.environ["ALLFOCUS_TARGET"]), None)
"""


def gimp_3() -> str | None:
    """GIMP without windows, if it is of version 3."""
    for name in ("gimp-console-3.0", "gimp-console"):
        if shutil.which(name) is not None:
            said = subprocess.run([name, "--version"], capture_output=True, text=True, check=False).stdout
            return name if " 3." in said else None
    return None


def run_in_gimp(frames: list[Path], program: Path, tmp_path: Path, options: str) -> str:
    """What a plug-in procedure run over layers prints."""
    gimp = gimp_3()
    if gimp is None:
        pytest.skip("GIMP 3 is not installed")
    own = tmp_path / "gimp"
    shutil.copytree(HERE / "gimp", own / "plug-ins")
    (tmp_path / "run.py").write_text(GIMP_RUN, encoding="utf-8")
    given = {
        "GIMP3_DIRECTORY": str(own),
        "ALLFOCUS_PROGRAM": str(program),
        "ALLFOCUS_OPTIONS": options,
        "ALLFOCUS_FRAMES": json.dumps([str(path) for path in frames]),
        "ALLFOCUS_TARGET": str(tmp_path / "out.png"),
    }
    batch = ["--batch-interpreter", "python-fu-eval", "-b", f"exec(open({str(tmp_path / 'run.py')!r}).read())"]
    done = subprocess.run(
        [gimp, "-i", "--no-data", "--no-fonts", *batch, "--quit"],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.slow
def test_gimp_gets_a_layer_on_top(frames: list[Path], program: Path, fused: np.ndarray, tmp_path: Path) -> None:
    said = run_in_gimp(frames, program, tmp_path, CHEAP)
    assert "LAYERS ['fused by allfocus'" in said, said
    assert np.array_equal(read_image(tmp_path / "out.png")[..., :3], fused)


@pytest.mark.slow
def test_gimp_shows_what_went_wrong(frames: list[Path], program: Path, tmp_path: Path) -> None:
    said = run_in_gimp(frames, program, tmp_path, "--nonsense")
    assert "No such option" in said, said
    assert "fused by allfocus" not in said


@pytest.mark.slow
def test_a_file_manager_starts_it_with_what_was_selected(frames: list[Path], program: Path, fused: np.ndarray) -> None:
    path = HERE / "editors/allfocus.desktop"
    if shutil.which("desktop-file-validate") is not None:
        subprocess.run(["desktop-file-validate", str(path)], check=True)
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(path, encoding="utf-8")
    words = shlex.split(entry["Desktop Entry"]["Exec"])
    assert words.pop() == "%F"
    subprocess.run([*words, *map(str, frames), *CHEAP.split()], check=True, capture_output=True)
    (made,) = [path for path in frames[0].parent.iterdir() if path not in frames]
    assert np.array_equal(read_image(made), fused)


def test_windows_starts_the_same(tmp_path: Path) -> None:
    lines = (HERE / "editors/allfocus-fuse.cmd").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("allfocus")] == ["allfocus fuse %*"]
