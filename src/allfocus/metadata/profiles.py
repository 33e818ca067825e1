"""What files say about colours in other ways becomes an ICC profile, so that every output format can hold it.

Chromaticities and exponents of PNG, code points of ITU-T H.273 in PNG, HEIC and AVIF, Adobe RGB in EXIF.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from allfocus.metadata import exif
from allfocus.metadata.colours import HLG, PQ
from allfocus.metadata.exif import Block
from allfocus.metadata.icc import (
    COLORANTS,
    D50,
    SRGB_CURVE,
    build_profile,
    make_curve,
    make_gray_profile,
    make_table,
    srgb_profile,
)

#: Chromaticities x, y of white, red, green and blue by the codes of primaries (ITU-T H.273, table 2).
D65 = (0.3127, 0.3290)
PRIMARIES = {
    1: (D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    5: (D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: (D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: (D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
#: Of Adobe RGB (1998), with its exponent.
ADOBE_PRIMARIES, ADOBE_GAMMA = (D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256

#: Exponents of PNG that mean something, times 100,000 and from samples to light the other way round: of 10 and of 1/10.
MIN_GAMMA, MAX_GAMMA = 10_000, 1_000_000

#: Curve of ITU-R BT.709 as an ICC parametric curve: exponent, a, b, c, d.
BT709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)

#: Bradford's matrix (Lindbloom, "Chromatic Adaptation").
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def profile_of_codes(primaries: int, transfer: int, *, is_gray: bool = False) -> bytes:
    """The profile for code points of ITU-T H.273; unspecified ones mean sRGB's. Its `cicp` tag holds the codes."""
    curves = {
        **dict.fromkeys((1, 6, 14, 15), make_curve(3, BT709_CURVE)),
        4: make_curve(0, (2.2,)),
        5: make_curve(0, (2.8,)),
        8: make_curve(0, (1.0,)),
        PQ: make_table(decode_pq(np.linspace(0, 1, 4096))),
        HLG: make_table(decode_hlg(np.linspace(0, 1, 4096))),
    }
    if (transfer not in curves and primaries not in PRIMARIES) or (primaries in (1, 2) and transfer in (2, 13)):
        return make_gray_profile("sRGB gray", make_curve(3, SRGB_CURVE)) if is_gray else srgb_profile()
    curve = curves.get(transfer, make_curve(3, SRGB_CURVE))
    name = f"primaries {primaries}, transfer {transfer} of H.273"
    if is_gray:
        return make_gray_profile(name, curve)
    codes = bytes((primaries, transfer, 0, 1))
    return build_profile(name, curve, find_colorants(*PRIMARIES.get(primaries, PRIMARIES[1])), codes)


def profile_of_png(gamma: int | None, chromaticities: tuple[int, ...] | None, *, is_gray: bool) -> bytes | None:
    """The profile for the chunks gAMA and cHRM of a PNG file, numbers times 100,000; None where they mean nothing.

    An exponent of 1/2.2 with sRGB's primaries is how sRGB was written before there was a chunk for it.
    """
    points = tuple(value / 1e5 for value in chromaticities or ())
    pairs = tuple(zip(points[::2], points[1::2], strict=True)) or PRIMARIES[1]
    is_srgb = np.allclose(pairs, PRIMARIES[1], atol=0.002)
    is_usual = gamma is None or abs(gamma - 45455) < 100
    is_known = gamma is None or MIN_GAMMA <= gamma <= MAX_GAMMA
    if not is_known or any(not 0 < y <= 1 for _, y in pairs) or (is_usual and is_srgb):
        return None
    curve = make_curve(3, SRGB_CURVE) if gamma is None else make_curve(0, (1e5 / gamma,))
    name = f"gamma {'of sRGB' if gamma is None else f'{1e5 / gamma:.4g}'}{'' if is_srgb else ', own primaries'}"
    if is_gray:
        return make_gray_profile(name, curve)
    return build_profile(name, curve, COLORANTS if is_srgb else find_colorants(*pairs))


def profile_of_exif(block: Block | None) -> bytes | None:
    """Adobe RGB where EXIF says so, which has no code of its own for it: interoperability R03; else None."""
    if block is None:
        return None
    index = block.directory(exif.INTEROP).get(1)
    is_adobe = index is not None and index.value.startswith(b"R03")
    space = block.number(exif.EXIF, 0xA001)
    if space != 2 and not (is_adobe and space != 1):
        return None
    return build_profile(
        "Compatible with Adobe RGB (1998)", make_curve(0, (ADOBE_GAMMA,)), find_colorants(*ADOBE_PRIMARIES)
    )


def find_colorants(white: Any, *primaries: Any) -> tuple[tuple[float, ...], ...]:
    """Rows X, Y, Z, columns red, green, blue, adapted from a white to D50 (Lindbloom, "RGB/XYZ Matrices")."""
    colours = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    light = np.array([white[0] / white[1], 1, (1 - white[0] - white[1]) / white[1]])
    scaled = colours * np.linalg.solve(colours, light)
    cones = (BRADFORD @ D50) / (BRADFORD @ light)
    return tuple(map(tuple, (np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ scaled).tolist()))


def decode_pq(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of the perceptual quantizer, 1 is 10,000 cd/m² (SMPTE ST 2084)."""
    root = values ** (1 / 78.84375)
    return np.asarray((np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125))


def decode_hlg(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scene light of hybrid log-gamma, 0 to 1 (ITU-R BT.2100)."""
    return np.where(values <= 0.5, values**2 / 3, (np.exp((values - 0.55991073) / 0.17883277) + 0.28466892) / 12)
