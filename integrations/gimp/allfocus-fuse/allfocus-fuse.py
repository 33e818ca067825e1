#!/usr/bin/env python3
"""A plug-in for GIMP 3: Filters > Combine > Fuse layers with allfocus.

The layers of an image, opened by File > Open as Layers, are taken for the frames of a focal stack. The fused picture
becomes a layer on top. Copy the folder allfocus-fuse, which holds this file, into the folder plug-ins of GIMP's own
folder, and make the file executable.
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gimp, GimpUi, Gio, GLib, GObject  # noqa: E402

NAME = "allfocus-fuse-layers"


class Fuse(Gimp.PlugIn):
    """What GIMP asks: which procedures there are, and each of them."""

    def do_set_i18n(self, name):
        """There are no translations."""
        return False

    def do_query_procedures(self):
        """One."""
        return [NAME]

    def do_create_procedure(self, name):
        """The procedure with its place in the menus and its arguments."""
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("RGB*, GRAY*")
        mask = Gimp.ProcedureSensitivityMask
        procedure.set_sensitivity_mask(mask.DRAWABLE | mask.DRAWABLES | mask.NO_DRAWABLES)
        procedure.set_menu_label("Fuse _layers with allfocus")
        procedure.add_menu_path("<Image>/Filters/Combine")
        procedure.set_documentation(
            "One sharp picture of layers focused at different distances",
            "The visible layers are the frames; the fused picture becomes a layer on top.",
            name,
        )
        procedure.set_attribution("The allfocus authors", "Apache-2.0", "2026")
        written = GObject.ParamFlags.READWRITE
        procedure.add_string_argument("program", "_Program", "What is called to fuse", "allfocus", written)
        procedure.add_string_argument("options", "_Options", "Options of allfocus fuse, as they are typed", "", written)
        return procedure


def run(procedure, run_mode, image, drawables, config, data):
    """Ask, where a person is there, and fuse; what went wrong is GIMP's to show."""
    if run_mode == Gimp.RunMode.INTERACTIVE:
        GimpUi.init(NAME)
        dialog = GimpUi.ProcedureDialog.new(procedure, config, "Fuse layers with allfocus")
        dialog.fill(None)
        if not dialog.run():
            return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
    image.undo_group_start()
    try:
        fuse(image, config.get_property("program"), shlex.split(config.get_property("options")))
    except (OSError, RuntimeError) as error:
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(str(error)))
    finally:
        image.undo_group_end()
        Gimp.displays_flush()
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)


def fuse(image, program, options):
    """Put what the visible layers are fused to on top of them; raises RuntimeError with what allfocus said."""
    layers = [layer for layer in image.get_layers() if layer.get_visible()]
    if len(layers) < 2:
        raise RuntimeError(f"{len(layers)} visible layers; expected two or more frames, as by File > Open as Layers")
    with tempfile.TemporaryDirectory() as folder:
        frames = [Path(folder, f"frame{number:04}.png") for number, _ in enumerate(layers)]
        for number, (layer, path) in enumerate(zip(reversed(layers), frames, strict=True)):
            Gimp.progress_update(number / len(layers) / 2)
            write(image, layer, path)
        fused = Path(folder, "fused.png")
        # the picture keeps the place of the layers
        words = [program, "fuse", *map(str, frames), "-o", str(fused), "--keep-canvas", "-q", *options]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"{program} ended with {done.returncode}")
        layer = Gimp.file_load_layer(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(str(fused)))
    layer.set_name("fused by allfocus")
    image.insert_layer(layer, None, 0)


def write(image, layer, path):
    """Write one layer in the size and depth of its image, and with its profile."""
    alone = Gimp.Image.new_with_precision(
        image.get_width(), image.get_height(), image.get_base_type(), image.get_precision()
    )
    alone.set_color_profile(image.get_effective_color_profile())
    copy = Gimp.Layer.new_from_drawable(layer, alone)
    alone.insert_layer(copy, None, 0)
    copy.resize_to_image_size()
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, alone, Gio.File.new_for_path(str(path)), None)
    alone.delete()


Gimp.main(Fuse.__gtype__, sys.argv)
