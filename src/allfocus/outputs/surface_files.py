"""Surfaces as files: binary STL, binary PLY with colours, and GLB (glTF 2.0) with the picture as texture."""

import json
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from allfocus._version import __version__
from allfocus.core.color import Array
from allfocus.core.shrink import shrunk
from allfocus.outputs.surface import Surface

#: Longest side of a texture in pixels: the least that all devices must show is smaller, all of today take this one.
TEXTURE = 4096
#: What a file says of its points, beside their unit.
AXES = "x right, y up, z towards the camera"
#: Numbers of glTF 2.0 (Khronos, section 5): types of components, and what a buffer is for.
UINT32, FLOAT32, VERTICES, INDICES = 5125, 5126, 34962, 34963
#: Edges are cut off at the border, and pixels are mixed: both numbers of WebGL.
LINEAR, MIPMAPS, CLAMP = 9729, 9987, 33071


def encode_surface(path: Path, surface: Surface, colours: Array) -> bytes:
    """The content of a file, by the ending of its name.

    Args:
        path: ends in .stl, .ply or .glb.
        surface: with at least one triangle.
        colours: (H, W, 3) uint8, the picture; STL has none.
    """
    suffix = path.suffix.lower()
    if suffix == ".stl":
        return encode_stl(surface)
    return encode_ply(surface, colours) if suffix == ".ply" else encode_glb(surface, colours)


def encode_stl(surface: Surface) -> bytes:
    """Binary STL: a header of 80 bytes, and for each triangle its normal and its corners."""
    corners = surface.points[surface.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.float32(1e-30))
    records = np.zeros(len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
    records["normal"], records["corners"] = normals, corners
    header = f"allfocus {__version__}; {surface.units.name}; {AXES}".encode()[:80].ljust(80)
    return header + struct.pack("<I", len(records)) + records.tobytes()


def encode_ply(surface: Surface, colours: Array) -> bytes:
    """Binary PLY, little-endian, with the colour of the picture at each point."""
    header = f"""\
ply
format binary_little_endian 1.0
comment allfocus {__version__}
comment unit: {surface.units}
comment {AXES}; the origin is the lower left pixel, at the farthest frame
element vertex {len(surface.points)}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
element face {len(surface.triangles)}
property list uchar int vertex_indices
end_header
"""
    points = np.zeros(len(surface.points), [("place", "<f4", 3), ("colour", "u1", 3)])
    points["place"], points["colour"] = surface.points, colours[tuple(surface.pixels.T)]
    faces = np.zeros(len(surface.triangles), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, surface.triangles
    return header.encode() + points.tobytes() + faces.tobytes()


def encode_glb(surface: Surface, colours: Array) -> bytes:
    """Binary glTF 2.0 with the picture as texture, shown as it is, without light of its own."""
    height, width = surface.size
    places = (surface.pixels[:, ::-1] + 0.5) / (width, height)
    parts = [
        surface.points.astype("<f4").tobytes(),
        places.astype("<f4").tobytes(),
        surface.triangles.astype("<u4").tobytes(),
        encode_texture(colours),
    ]
    document = describe_glb(surface, [len(part) for part in parts])
    return pack_glb(document, b"".join(part.ljust(-(-len(part) // 4) * 4, b"\0") for part in parts))


def encode_texture(colours: Array) -> bytes:
    """The picture as JPEG, reduced where it is larger than textures may be."""
    buffer = BytesIO()
    Image.fromarray(shrunk(colours, TEXTURE)).save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def describe_glb(surface: Surface, lengths: list[int]) -> dict[str, Any]:
    """The JSON of a GLB file whose buffer holds points, places in the texture, triangles and the texture."""
    starts = np.cumsum([0, *(-(-length // 4) * 4 for length in lengths)]).tolist()
    views: list[dict[str, Any]] = [
        {"buffer": 0, "byteOffset": start, "byteLength": length} for start, length in zip(starts, lengths, strict=False)
    ]
    for view, target in zip(views, (VERTICES, VERTICES, INDICES), strict=False):
        view["target"] = target
    count = len(surface.points)
    accessors = [
        {
            **{"bufferView": 0, "componentType": FLOAT32, "count": count, "type": "VEC3"},
            **{"min": surface.points.min(axis=0).tolist(), "max": surface.points.max(axis=0).tolist()},
        },
        {"bufferView": 1, "componentType": FLOAT32, "count": count, "type": "VEC2"},
        {"bufferView": 2, "componentType": UINT32, "count": surface.triangles.size, "type": "SCALAR"},
    ]
    looks = {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 1.0}
    material = {"pbrMetallicRoughness": looks, "doubleSided": True, "extensions": {"KHR_materials_unlit": {}}}
    mesh = {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}
    return {
        "asset": {
            "version": "2.0",
            "generator": f"allfocus {__version__}",
            "extras": {"unit": surface.units.name, "frame": surface.units.up, "axes": AXES},
        },
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "surface"}],
        "meshes": [{"primitives": [mesh], "name": "surface"}],
        "materials": [material],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"magFilter": LINEAR, "minFilter": MIPMAPS, "wrapS": CLAMP, "wrapT": CLAMP}],
        "images": [{"bufferView": 3, "mimeType": "image/jpeg"}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": starts[-1]}],
    }


def pack_glb(document: dict[str, Any], data: bytes) -> bytes:
    """A GLB file: its header, the JSON, and the buffer."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 4) * 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
