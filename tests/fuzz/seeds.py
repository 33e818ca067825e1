"""Small sound files of every format and of every file beside pictures, from which fuzzed ones are made."""

import json
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from allfocus.alignment.alignment import make_identity
from allfocus.alignment.hugin import dump_project
from allfocus.alignment.transforms_file import dump_transforms
from allfocus.decision.model import CARD_KEY, INPUTS, OUTPUTS
from allfocus.decision.model_card import FORMAT
from allfocus.decision.stored import save_decision
from allfocus.formats.write import write_image, write_ome
from allfocus.metadata.carry import Metadata
from allfocus.metadata.icc import srgb_profile
from allfocus.pipeline import align, decide
from fuzz.mutate import rezip, unzip
from pictures import focused_pair, picture
from raw_files import smooth_colors, write_dng

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"><tiff:ImageWidth>24</tiff:ImageWidth>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>" + b" " * 80 + b'<?xpacket end="w"?>'
)


def exif() -> bytes:
    """An EXIF block with a directory for the camera and one for the place."""
    block = Image.Exif()
    block[0x0112], block[0x010F], block[0x011A] = 6, "Nobody", 72.0
    block.get_ifd(0x8769).update({36867: "2024:01:02 03:04:05", 0x927C: b"NOTE" * 20, 0x829A: 0.01})
    block.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    return block.tobytes()


METADATA = Metadata(
    exif=exif(), icc=srgb_profile(), xmp=XMP, iptc=b"\x1c\x02\x05\0\3abc", dpi=(300, 300), text=(("Comment", "hello"),)
)


def by_program(folder: Path) -> None:
    """Pictures with all metadata, as allfocus writes them, at every depth."""
    for name, depth in (("a.png", "uint8"), ("b.png", "uint16"), ("a.jpg", "uint8"), ("a.webp", "uint8")):
        write_image(folder / name, picture(16, 24, dtype=depth), METADATA)
    for name, depth in (("a.tif", "uint8"), ("b.tif", "uint16"), ("c.tif", "float32")):
        write_image(folder / name, picture(16, 24, dtype=depth), METADATA)
    write_image(folder / "gray.png", picture(16, 24, gray=True))


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def by_others(folder: Path) -> None:
    """Pictures as other programs write them: palettes, transparency, packed texts, blocks as digits, RLE and so on."""
    image = Image.fromarray(picture(16, 24))
    image.quantize(16).save(folder / "palette.png", transparency=3)
    image.convert("L").save(folder / "gray.jpg", quality=90, progressive=True, comment=b"hi")
    image.save(folder / "a.bmp")
    image.quantize(16).save(folder / "rle.bmp")
    image.save(folder / "lossy.webp", exif=exif(), xmp=XMP)
    image.convert("CMYK").save(folder / "cmyk.jpg")
    stored = (folder / "a.png").read_bytes()
    digits = f"\nexif\n{len(exif()):8}\n{exif().hex()}"
    texts = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(digits.encode()))
    texts += chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP))
    (folder / "texts.png").write_bytes(stored[:33] + texts + stored[33:])
    with suppress(OSError, KeyError):
        image.save(folder / "a.avif", exif=exif())
    with suppress(ImportError):
        import pillow_heif

        rgb = picture(16, 24)
        pillow_heif.from_bytes("RGB", (24, 16), rgb.tobytes()).save(folder / "a.heic", quality=80, exif=exif())


def tiffs(folder: Path) -> None:
    """TIFF files of every layout that is read."""
    image, gray = picture(16, 24), picture(16, 24, gray=True, dtype="uint16")
    for name, options in {
        "plain": {}, "big": {"bigtiff": True, "byteorder": ">"}, "zlib": {"compression": "zlib", "predictor": True},
        "tiles": {"tile": (16, 16), "compression": "zlib"}, "planar": {"planarconfig": "separate"},
        "strips": {"rowsperstrip": 3, "compression": "zlib"},
    }.items():  # fmt: skip
        data = np.moveaxis(image, 2, 0) if name == "planar" else image
        tifffile.imwrite(folder / f"{name}.tif", data, photometric="rgb", **options)
    for scheme in ("tiff_lzw", "packbits", "jpeg", "lzma", "zstd", "group4"):
        with suppress(OSError, ValueError, KeyError):
            source = Image.fromarray(image)
            (source.convert("1") if scheme == "group4" else source).save(folder / f"{scheme}.tif", compression=scheme)
    tifffile.imwrite(folder / "float.tif", picture(16, 24, gray=True, dtype="float32"), compression="zlib")
    pages = np.stack([gray] * 3)
    tifffile.imwrite(folder / "pages.tif", pages, photometric="minisblack", metadata=None)
    tifffile.imwrite(folder / "shaped.tif", pages, photometric="minisblack")
    tifffile.imwrite(folder / "imagej.tif", pages, imagej=True, metadata={"axes": "ZYX", "spacing": 2, "unit": "um"})
    write_ome(folder / "a.ome.tif", np.stack([pages, pages]), "CZYX")
    for number in range(2):
        tifffile.imwrite(folder / f"set{number}.ome.tif", gray, description=ome_set(number), metadata=None)
    write_dng(folder / "a.dng", smooth_colors(16, 24))


def ome_set(number: int) -> str:
    """OME-XML of a file that holds one of two planes."""
    planes = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="set{z}.ome.tif">urn:uuid:{z}</UUID></TiffData>'
        for z in range(2)
    )
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="urn:uuid:{number}"><Image ID="Image:0"><Pixels ID="P:0" DimensionOrder="XYZCT" Type="uint16" '
        'SizeX="24" SizeY="16" SizeZ="2" SizeC="1" SizeT="1" PhysicalSizeX="0.5"><Channel ID="c:0"/>'
        f"{planes}</Pixels></Image></OME>"
    )


def videos(folder: Path) -> None:
    """Videos of three frames in three containers."""
    for name, codec in (("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "FFV1")):
        writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter_fourcc(*codec), 25, (48, 32))
        for number in range(3):
            writer.write(picture(32, 48, seed=number))
        writer.release()


def sidecars(folder: Path) -> None:
    """Everything that is no picture: transforms, decisions, models, options, recipes, scenes."""
    frames = list(focused_pair(picture(32, 48)))
    (folder / "a.transforms").write_text(dump_transforms(make_identity(2), ["a", "b"], (32, 48)))
    (folder / "a.pto").write_text(dump_project(make_identity(2), ["a", "b"], (32, 48))[0])
    registered = align(frames, method="laplacian")
    save_decision(folder / "a.decision", decide(registered, method="laplacian"))
    (folder / "options.json").write_text(json.dumps({"method": "laplacian", "max_memory": "2GB", "reference": 1}))
    (folder / "options.toml").write_text('method = "network"\nmax-tile = 512\nalign = "affine"\nspool = "x"\n')
    (folder / "recipe.toml").write_text('name = "x"\nseed = 3\n[data]\ncrop = 64\n[network]\nwidth = 8\n')
    scenes = [{"name": "one/two", "frames": ["a.png", "texts.png"], "truth": "a.png", "border": 2}]
    (folder / "a.scenes").write_text(json.dumps(scenes))
    (folder / "a.csv").write_text("scene,method,psnr_db,ssim,ring_psnr_db\none/two,ours,30.5,0.9,28\n")
    with suppress(ImportError):
        (folder / "a.onnx").write_bytes(make_model())


def make_model() -> bytes:
    """A model file with the inputs and outputs of ours, which averages over a patch."""
    from onnx import TensorProto, helper, numpy_helper

    shapes: list[list[str | int]] = [
        ["n", 3, "h", "w"], ["n", 2, "h4", "w4"], ["n", 1, "g", "v"], ["n", 4, "g4", "v4"]
    ]  # fmt: skip
    switches = len(INPUTS) - len(shapes)
    shapes += [[]] * switches
    kinds = [TensorProto.FLOAT] * 4 + [TensorProto.BOOL] * switches
    inputs = [helper.make_tensor_value_info(*value) for value in zip(INPUTS, kinds, shapes, strict=True)]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in OUTPUTS]
    kernel = numpy_helper.from_array(np.full((1, 3, 3, 3), 1 / 27, np.float32), "kernel")
    wide = numpy_helper.from_array(np.full((4, 2, 1, 1), 0.5, np.float32), "wide")
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["logits"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["energy", "wide"], ["context"]),
        helper.make_node("AveragePool", ["pixels"], ["flaws"], kernel_shape=[4, 4], strides=[4, 4]),
    ]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [kernel, wide])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    card = {"format": FORMAT, "name": "x", "version": "1", "figures": {"network": 3.0, "laplacian": 2.0, "oracle": 4.0}}
    helper.set_model_props(model, {CARD_KEY: json.dumps(card)})
    return bytes(model.SerializeToString())


MAKERS: tuple[Callable[[Path], None], ...] = (by_program, by_others, tiffs, videos, sidecars)


def make_seeds(folder: Path) -> dict[str, bytes]:
    """Write all seeds into a folder; returns the content of each by its name, which is always the same."""
    for make in MAKERS:
        make(folder)
    for path in folder.iterdir():
        path.write_bytes(settle(path.read_bytes()))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def settle(data: bytes) -> bytes:
    """The same file without what is drawn by chance or by the clock: dates of archives, identifiers."""
    if data.startswith(b"PK"):
        return rezip(unzip(data))
    if data.startswith(b"\x1aE\xdf\xa3"):  # Matroska: of the segment, of its track, and of that again
        data = re.sub(rb"(?s)(\x73\xa4\x90).{16}", rb"\1" + bytes(range(1, 17)), data)
        data = re.sub(rb"(?s)(\x73\xc5\x88|\x63\xc5\x88).{8}", rb"\1" + bytes(range(1, 9)), data)
        return re.sub(rb"(?s)\xbf\x84.{4}", b"\xec\x84" + bytes(4), data)  # checksums, which may be left out
    return re.sub(rb"urn:uuid:[0-9a-f-]{36}", b"urn:uuid:" + b"0" * 36, data)
