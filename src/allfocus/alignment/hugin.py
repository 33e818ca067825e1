"""Alignments as projects of Hugin (.pto): a line for each frame, the reference as the panorama's own view.

Hugin's model of a frame, from the panorama to its pixels: the camera moves by TrX, TrY, TrZ before a plane at distance
1, turns by yaw, pitch and roll, and projects with a field of view v; then come a shift d, e and a shear g, t. Between
rectilinear pictures all of it is a homography, so that such projects are read exactly. Translations and similarities
are written exactly. Affine motions and homographies may stretch a picture along an axis, which no shear alone does:
they are fitted, with shear only where that is needed, and what is lost is measured.

The formulas were checked against Hugin's own `pano_trafo` (Hugin 2022).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from allfocus.alignment.alignment import Alignment
from allfocus.alignment.motion import Matrix, map_points, measure_displacement, normalise, spread_points
from allfocus.core.color import Array
from allfocus.options import MotionModel

#: Degrees of the horizontal field of view that is written: nothing says what the lens had.
FIELD_OF_VIEW = 50.0

#: Hugin's variables that make a homography, and those that each model needs, in turn until it fits.
VARIABLES = ("r", "p", "y", "v", "d", "e", "g", "t", "TrX", "TrY", "TrZ")
NEEDED: dict[MotionModel, tuple[str, ...]] = {
    "none": ("",),
    "translation": ("de",),
    "similarity": ("rvde",),
    "affine": ("rvde", "rvdegt"),
    "homography": ("rpyvde", "rpyvdegt"),
}

#: Pixels by which a project may be off without a word.
UNSEEN = 0.05

#: What a change of a variable has to be to move pixels by about one, in a picture of 1000 pixels.
STEPS = {"r": 0.1, "p": 0.05, "y": 0.05, "v": 0.1, "d": 1.0, "e": 1.0, "g": 1.0, "t": 1.0}
#: Rounds of the fit, which doubles its digits in each.
ROUNDS = 12

#: Variables that bend straight lines, or that move the plane, by what they are.
REFUSED = {
    **dict.fromkeys("abc", "a lens distortion"),
    **dict.fromkeys(("Tpy", "Tpp"), "a tilted plane"),
}
TOKEN = re.compile(r"([A-Za-z]+)(=?)([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
REFERENCE = re.compile(r"#hugin_optimizeReferenceImage\s+(\d{1,6})\s*")


# --- out -----------------------------------------------------------------------------------------


def dump_project(alignment: Alignment, names: Sequence[str], size: tuple[int, int]) -> tuple[str, float]:
    """An alignment as the text of a Hugin project, and how far Hugin's model is off at most, in pixels.

    Brightness and optical flow are left out.

    Args:
        alignment: of a stack.
        names: of the files of all frames, as seen from where the project goes.
        size: height and width of the frames.
    """
    height, width = size
    lines = [
        "# hugin project file, made by allfocus",
        "#hugin_ptoversion 2",
        f'p f0 w{width} h{height} v{FIELD_OF_VIEW:g} k0 E0 R0 n"TIFF_m c:LZW"',
        "m i0",
        "",
    ]
    worst = 0.0
    for k, name in enumerate(names):
        variables, error = find_variables(alignment.matrices[k], alignment.model, size)
        used = k not in alignment.left_out
        worst = max(worst, error) if used else worst
        listed = " ".join(f"{key}{variables.get(key, 0.0):.12g}" for key in VARIABLES)
        lines += [
            f"#-hugin  cropFactor=1{'' if used else ' disabled'}",
            f'i w{width} h{height} f0 {listed} Tpy0 Tpp0 a0 b0 c0 Eev0 Er1 Eb1 Vm5 n"{clean(name)}"',
        ]
    lines += ["", f"#hugin_optimizeReferenceImage {alignment.reference}", ""]
    return "\n".join(lines), worst


def clean(name: str) -> str:
    """A name of a file as a project holds it, without what would end it."""
    return re.sub(r'["\r\n]', "_", name)


def find_variables(matrix: Matrix, model: MotionModel, size: tuple[int, int]) -> tuple[dict[str, float], float]:
    """The fewest variables that fit a matrix of this model, and by how many pixels they are off at most."""
    best, least = dict[str, float](), np.inf
    for keys in NEEDED[model]:
        found = fit_variables(matrix, keys, size)
        error = float(measure_displacement(make_matrix(found, size), matrix, size).max())
        if error < least:
            best, least = found, error
        if least <= UNSEEN:
            break
    return best, least


def fit_variables(matrix: Matrix, keys: str, size: tuple[int, int]) -> dict[str, float]:
    """The variables that come nearest to a matrix, by least squares over the picture; those named alone may change."""
    angle = -np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])) if "r" in keys else 0.0
    found = {"r": float(angle), "v": FIELD_OF_VIEW}
    points = spread_points(size)
    wanted = map_points(matrix, points).ravel()

    def place(variables: Mapping[str, float]) -> Array:
        return map_points(make_matrix(variables, size), points).ravel()

    scales = {key: STEPS[key] * 1000 / max(size) if key in "rpyv" else STEPS[key] for key in keys}
    for _ in range(ROUNDS if keys else 0):
        here = place(found)
        ahead = [place({**found, key: found.get(key, 0.0) + 1e-4 * scales[key]}) for key in keys]
        slopes = np.stack([(there - here) / 1e-4 for there in ahead], axis=1)
        move = np.linalg.lstsq(slopes, wanted - here, rcond=1e-9)[0]
        found = {
            **found,
            **{key: found.get(key, 0.0) + scales[key] * float(m) for key, m in zip(keys, move, strict=True)},
        }
        found["v"] = float(np.clip(found["v"], 1.0, 170.0))
    return found


def make_matrix(variables: Mapping[str, float], size: tuple[int, int], view: float = FIELD_OF_VIEW) -> Matrix:
    """The homography from pixels of a rectilinear panorama of this size and field of view to those of a frame."""
    return normalise(make_projection(variables, size, view))


def make_projection(variables: Mapping[str, float], size: tuple[int, int], view: float = FIELD_OF_VIEW) -> Matrix:
    """The same; the third coordinate is below 0 for what lies behind the camera."""
    height, width = size
    value = {**dict.fromkeys(VARIABLES, 0.0), **variables}

    def distance(degrees: float) -> float:
        return float(width / 2 / np.tan(np.radians(degrees) / 2))

    middle = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
    moved = np.array([[1, 0, -value["TrX"]], [0, 1, -value["TrY"]], [0, 0, 1 + value["TrZ"]]])
    lens = np.diag([distance(value["v"]), distance(value["v"]), 1])
    shift = np.array([[1, 0, value["d"]], [0, 1, value["e"]], [0, 0, 1]])
    shear = np.array([[1, value["g"] / height, 0], [value["t"] / width, 1, 0], [0, 0, 1]])
    panorama = middle @ np.diag([distance(view), distance(view), 1])
    frame = middle @ shear @ shift @ lens @ make_rotation(value["r"], value["p"], value["y"]) @ moved
    return np.asarray(frame @ np.linalg.inv(panorama), np.float64)


def make_rotation(roll: float, pitch: float, yaw: float) -> Matrix:
    """From the panorama's axes (right, down, ahead) to those of a frame turned so, in degrees."""
    (r, p, y) = np.radians([roll, pitch, yaw])
    about_down = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_right = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_ahead = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(about_ahead @ about_right @ about_down, np.float64)


# --- in ------------------------------------------------------------------------------------------


def read_project(text: str) -> dict[str, Any]:
    """A project in the values of a file of transforms, see `transforms_file.dump_transforms`.

    Frames that are switched off are left out. The reference is the project's, else the first that is used. Brightness
    is not taken over: what Hugin stores of it is what the camera said, not what was measured.

    Raises:
        ValueError: it is no project, or what it asks for is no homography.
    """
    images, disabled = list_images(text)
    if not images:
        raise ValueError("it has no lines of images")
    first = images[0]
    for k, image in enumerate(images, start=1):
        check_image(k, image)
        if (image["w"], image["h"]) != (first["w"], first["h"]):
            raise ValueError("its images differ in size")
    width, height = (int(first[key]) for key in "wh")
    if not (0 < width < 1 << 20 and 0 < height < 1 << 20):
        raise ValueError("its images have no size")
    used = [k for k in range(len(images)) if k not in disabled] or [0]
    named = next((int(match[1]) for line in text.splitlines() if (match := REFERENCE.fullmatch(line))), used[0])
    reference = named if named in used else used[0]
    frames = [make_projection(image, (height, width)) for image in images]
    matrices = [frame @ np.linalg.inv(frames[reference]) for frame in frames]
    for k, matrix in enumerate(matrices, start=1):
        if (spread_points((height, width)) @ matrix[2, :2] + matrix[2, 2]).min() <= 0:
            raise ValueError(f"image {k} looks another way than the reference")
    matrices = [normalise(matrix) for matrix in matrices]
    return {
        "model": name_model(matrices),
        "reference": reference,
        "width": width,
        "height": height,
        "frames": [
            {
                "matrix": matrix.tolist(),
                "gain": [1.0],
                "offset": 0.0,
                "residual": None,
                "left_out": "it is switched off in Hugin's project" if k in disabled else None,
            }
            for k, matrix in enumerate(matrices)
        ],
    }


def list_images(text: str) -> tuple[list[dict[str, float]], set[int]]:
    """The numbers of each image of a project, links followed, and which images are switched off."""
    images = list[dict[str, float]]()
    disabled = set[int]()
    is_off = False
    for line in text.splitlines():
        if line.startswith("#-hugin"):
            is_off = "disabled" in line.split()
        elif line.startswith("i "):
            values = dict[str, float]()
            for token in re.sub(r'n"[^"]*"', "", line[2:]).split():
                if (match := TOKEN.fullmatch(token)) is not None:
                    values[match[1]] = find_value(images, match)
            disabled |= {len(images)} if is_off else set()
            images.append(values)
            is_off = False
    return images, disabled


def find_value(images: Sequence[Mapping[str, float]], match: re.Match[str]) -> float:
    """The number of a variable; `v=0` is that of the first image."""
    key, is_link, number = match.groups()
    if not is_link:
        return float(number)
    other = float(number)
    if not other.is_integer() or not 0 <= other < len(images) or key not in images[int(other)]:
        raise ValueError(f"{key}={number} stands for no earlier image")
    return images[int(other)][key]


def check_image(number: int, image: Mapping[str, float]) -> None:
    """Raise `ValueError` for what is no homography, or no picture."""
    if image.get("f", 0) != 0:
        raise ValueError(f"image {number} is not rectilinear (f{image['f']:g}); only f0 can be used")
    for key, what in REFUSED.items():
        if image.get(key, 0) != 0:
            raise ValueError(f"image {number} has {what} ({key}{image[key]:g}), which moves no picture as a whole")
    if not {"w", "h", "v"} <= image.keys() or not 0.01 <= image["v"] < 179:
        raise ValueError(f"image {number} has no size or no field of view")


def name_model(matrices: Sequence[Matrix]) -> str:
    """The simplest motion model that holds all of the matrices."""
    together = np.stack(matrices)
    stretch = np.abs(together[:, 0, 0] - together[:, 1, 1]) + np.abs(together[:, 0, 1] + together[:, 1, 0])
    if np.abs(together[:, 2, :2]).max() > 1e-12:
        return "homography"
    if stretch.max() > 1e-9:
        return "affine"
    return "translation" if np.abs(together[:, :2, :2] - np.eye(2)).max() < 1e-9 else "similarity"
