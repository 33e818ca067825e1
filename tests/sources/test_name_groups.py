"""Names of files: real naming conventions and the stacks that they make; ordinary names make one."""

from itertools import product

import pytest

from allfocus.sources.name_groups import find_missing, group_names

UUIDS = [f"{k:08x}-25c4-4ef9-93c0-91cf172f5e36" for k in range(0x054D8E9A, 0x054D8EFA)]


def names_of(pattern: str, **values: object) -> list[str]:
    """Every name that a pattern makes of these values: a number stands for all from 0 on."""
    lists = [range(value) if isinstance(value, int) else value for value in values.values()]
    return sorted(pattern.format(**dict(zip(values, row, strict=True))) for row in product(*lists))  # type: ignore[call-overload]


ONE_TWO, Z = (1, 2), range(1, 6)

#: Program or habit, names, what to type for the first stack, and how many stacks there are.
SEVERAL = [
    ("MetaMorph", names_of("exp_w{w}_s{s}_z{z}.tif", w=ONE_TWO, s=ONE_TWO, z=Z), "exp_w1_s1_z*.tif", 4),
    ("MetaMorph, dyes", names_of("exp_w{w}_t{t}.tif", w=("1DAPI", "2GFP"), t=Z), "exp_w1DAPI_t*.tif", 2),
    ("MetaMorph, stages", names_of("exp_s{s}_t{t}.TIF", s=ONE_TWO, t=Z), "exp_s1_t*.TIF", 2),
    ("ImageXpress", names_of("P_A01_s{s}_w{w}_z{z}.tif", s=ONE_TWO, w=ONE_TWO, z=Z), "P_A01_s1_w1_z*.tif", 4),
    (
        "ImageXpress, serial numbers",
        [f"P_A01_s{s}_w1_z{z}{UUIDS[10 * s + z]}.tif" for s in ONE_TWO for z in Z],
        "P_A01_s1_w1_z*.tif",
        2,
    ),
    (
        "Micro-Manager 1.4",
        names_of("img_000000000_{c}_{z:03d}.tif", c=("DAPI", "GFP"), z=5),
        "img_000000000_DAPI_*.tif",
        2,
    ),
    ("Micro-Manager, times", names_of("img_{t:09d}_Default_{z:03d}.tif", t=3, z=5), "img_000000000_Default_*.tif", 3),
    (
        "Micro-Manager 2",
        names_of("img_channel{c:03d}_position{p:03d}_time000000000_z{z:03d}.tif", c=2, p=2, z=5),
        "img_channel000_position000_time000000000_z*.tif",
        4,
    ),
    ("Leica LAS X", names_of("Series001_z{z:02d}_ch{c:02d}.tif", z=5, c=2), "Series001_z*_ch00.tif", 2),
    (
        "Leica, series",
        names_of("P_Series{s:03d}_t00_z{z:02d}_ch00.tif", s=(1, 2), z=5),
        "P_Series001_t00_z*_ch00.tif",
        2,
    ),
    ("ZEN", names_of("n_s{s}t1z{z:02d}c{c}_ORG.tif", s=ONE_TWO, z=5, c=ONE_TWO), "n_s1t1z*c1_ORG.tif", 4),
    ("ZEN, tiles", names_of("n_b0t0z{z}c{c}x0-1024y0-1024.tif", z=12, c=2), "n_b0t0z*c0x0-1024y0-1024.tif", 2),
    ("ZEN, scenes", names_of("n-Scene-{s}-z{z:02d}.czi.tif", s=ONE_TWO, z=5), "n-Scene-1-z*.czi.tif", 2),
    ("NIS-Elements", names_of("expxy{p}z{z:02d}c{c}.tif", p=ONE_TWO, z=5, c=ONE_TWO), "expxy1z*c1.tif", 4),
    (
        "NIS-Elements, points",
        names_of("e_Point{p:04d}_Z{z:02d}_Channel{c}.tif", p=2, z=5, c=("DAPI", "FITC")),
        "e_Point0000_Z*_ChannelDAPI.tif",
        4,
    ),
    ("FluoView", names_of("s_C{c:03d}Z{z:03d}T001.tif", c=ONE_TWO, z=Z), "s_C001Z*T001.tif", 2),
    (
        "Harmony",
        names_of("r01c0{c}f01p0{z}-ch{w}sk1fk1fl1.tiff", c=ONE_TWO, z=Z, w=ONE_TWO),
        "r01c01f01p*-ch1sk1fk1fl1.tiff",
        4,
    ),
    (
        "CellVoyager",
        names_of("P_A01_T0001F001L01A01Z{z:02d}C0{c}.tif", z=Z, c=ONE_TWO),
        "P_A01_T0001F001L01A01Z*C01.tif",
        2,
    ),
    (
        "IN Cell",
        names_of("A - 01(fld 1 wv {w} - {w} z {z}).tif", w=("DAPI", "FITC"), z=Z),
        "A - 01(fld 1 wv DAPI - DAPI z *).tif",
        2,
    ),
    ("EVOS", names_of("scan_Plate_R_p00_z{z:02d}_0_A01f00d{d}.TIF", z=5, d=2), "scan_Plate_R_p00_z*_0_A01f00d0.TIF", 2),
    ("Keyence", names_of("Image_XY0{p}_Z{z:03d}_CH{c}.tif", p=ONE_TWO, z=5, c=ONE_TWO), "Image_XY01_Z*_CH1.tif", 4),
    ("Incucyte", names_of("V_A{w}_1_00d0{h}h00m.tif", w=ONE_TWO, h=5), "V_A1_1_*.tif", 2),
    ("ImageJ", names_of("C{c}-name{z:04d}.tif", c=ONE_TWO, z=5), "C1-name*.tif", 2),
    ("Andor", names_of("e_w{w:04d}_m0000_t0000_z{z:04d}.tif", w=2, z=5), "e_w0000_m0000_t0000_z*.tif", 2),
    ("nanometres", names_of("e_{n}_z{z}.tif", n=(405, 488), z=5), "e_405_z*.tif", 2),
    ("positions", names_of("Pos{p:03d}_{z:03d}.jpg", p=2, z=5), "Pos000_*.jpg", 2),
    ("positions in short", names_of("a_p{p}_{z:03d}.tif", p=2, z=5), "a_p0_*.tif", 2),
    ("xy", names_of("xy{p:02d}_{z:03d}.jpg", p=2, z=5), "xy00_*.jpg", 2),
    ("fields", names_of("Field_{p}_z{z}.tif", p=2, z=5), "Field_0_z*.tif", 2),
    ("wells", names_of("{r}01_z{z}.tif", r="AB", z=5), "A01_z*.tif", 2),
    ("times", names_of("a_t{t:03d}_z{z:03d}.tif", t=3, z=5), "a_t000_z*.tif", 3),
    ("one plane of bright field", [*names_of("e_w1_z{z}.tif", z=5), "e_w2_z2.tif"], "e_w1_z*.tif", 2),
    ("one plane of a dye", [*names_of("i_000_DAPI_{z:03d}.tif", z=5), "i_000_BF_002.tif"], "i_000_DAPI_*.tif", 2),
    (
        "a running number too",
        [f"a_{5 * w + z:04d}_w{w}_z{z}.tif" for w in range(2) for z in range(5)],
        "a_*_w0_z*.tif",
        2,
    ),
    (
        "a running number over positions",
        [f"pos{p}_{5 * p + z:03d}.tif" for p in range(2) for z in range(5)],
        "pos0_*.tif",
        2,
    ),
    (
        "start of each stack",
        names_of("2024-05-01_{t}_z{z}.tif", t=(120000, 121500), z=5),
        "2024-05-01_120000_z*.tif",
        2,
    ),
    ("subjects", names_of("{n}_{z:03d}.jpg", n=("beetle", "fly"), z=5), "beetle_*.jpg", 2),
    ("numbered stacks", names_of("stack{n}_{z:03d}.jpg", n=ONE_TWO, z=5), "stack1_*.jpg", 2),
    ("two numbers", names_of("a_{n}_{z:03d}.jpg", n=ONE_TWO, z=5), "a_1_*.jpg", 2),
    ("eleven before one", names_of("a_w{w}_z{z}.tif", w=(1, 11), z=5), "a_w1_z*.tif", 2),
]

ONE = [
    ("camera", names_of("IMG_{k:04d}.jpg", k=50)),
    ("Nikon", names_of("DSC_{k:04d}.NEF", k=12)),
    ("Sony", names_of("DSC{k:05d}.ARW", k=12)),
    ("Olympus", names_of("P10{k:05d}.ORF", k=12)),
    ("roll over", [*names_of("100_{k:04d}.JPG", k=range(990, 1000)), *names_of("101_{k:04d}.JPG", k=Z)]),
    ("a tag that is none", names_of("stack_c_{k:03d}.jpg", k=20)),
    ("planes", names_of("z{k:02d}.jpg", k=range(1, 21))),
    ("focus", names_of("focus_{k}.jpg", k=12)),
    ("times", names_of("a_t{k}.jpg", k=12)),
    ("fields in short", names_of("f{k}.jpg", k=12)),
    ("channels in short", names_of("a_c{k}.jpg", k=12)),
    ("channels", names_of("a_ch{k:02d}.jpg", k=12)),
    ("sites", names_of("s{k}.jpg", k=12)),
    ("phone", [f"PXL_20240101_1200{k:02d}{k * 37 % 1000:03d}.jpg" for k in range(20)]),
    ("burst", [f"IMG_20240101_12000{k // 4}{f'_{k % 4}' if k % 4 else ''}.jpg" for k in range(20)]),
    ("burst in brackets", [f"20240101_12000{k // 2}{'(0)' if k % 2 else ''}.jpg" for k in range(20)]),
    (
        "cover of a burst",
        [f"{k:05d}IMG_{k:05d}_BURST20200101120000{'_COVER' if k == 2 else ''}.jpg" for k in range(20)],
    ),
    ("times of day", [f"Screenshot 2024-01-01 at 12.{k // 6:02d}.{k % 6 * 10:02d}.png" for k in range(24)]),
    ("time of day behind a date", [f"2024-01-01 12.{k // 6:02d}.{k % 6 * 10:02d}.png" for k in range(24)]),
    ("numbers behind a date", names_of("20240101_{k:06d}.jpg", k=range(40, 80))),
    ("words", ["near.jpg", "middle.jpg", "far.jpg"]),
    ("one edited", [*names_of("IMG_{k:04d}.jpg", k=10), "IMG_0003-Edit.jpg"]),
    ("heights with a sign", [f"z{k}.tif" for k in (-20, -10, 0, 10, 20)]),
    ("heights with decimals", [f"a_z_{k / 2:+.1f}um.tif" for k in range(-4, 5)]),
    ("a number and a height", [f"frame_{k:03d}_z{10 * k}.tif" for k in range(10)]),
    ("seconds and planes", [f"f_t{k // 2}_z{k}.tif" for k in range(10)]),
    ("exposure in the name", [f"{k:04d}_exp{100 * (k % 3)}.jpg" for k in range(9)]),
    ("a number twice", [f"DSC_{k:04d} ({k}).jpg" for k in range(9)]),
    ("nothing in common", ["a3f9c2.jpg", "b1d4e5.jpg", "0c9a8b.jpg", "77ff01.jpg", "e2e2e3.jpg", "9d0c1b.jpg"]),
    ("a truth beside", [*names_of("frame{k}.webp", k=4), "truth.webp"]),
    ("formats mixed", ["a1.jpg", "a2.png", "a3.jpg"]),
    ("two channels of a plane each", ["a_w1.tif", "a_w2.tif"]),
    ("two files", ["img2.png", "img10.png"]),
    ("A and B", ["lytro-01-A.jpg", "lytro-01-B.jpg"]),
]


@pytest.mark.parametrize(("names", "typed", "count"), [case[1:] for case in SEVERAL], ids=[case[0] for case in SEVERAL])
def test_names_that_several_stacks_have(names: list[str], typed: str, count: int) -> None:
    groups = group_names(names)
    assert len(groups) == count
    assert typed in [group.pattern for group in groups]
    assert sorted(k for group in groups for k in group.positions) == list(range(len(names)))


@pytest.mark.parametrize("names", [case[1] for case in ONE], ids=[case[0] for case in ONE])
def test_names_that_one_stack_has(names: list[str]) -> None:
    (group,) = group_names(names)
    assert group.positions == tuple(range(len(names)))


@pytest.mark.parametrize(
    ("pattern", "planes"), [("a_ch{k:02d}", "channel"), ("pos{k}", "position"), ("z{k}", ""), ("a_t{k}", "")]
)
def test_what_else_a_single_number_counts_is_told(pattern: str, planes: str) -> None:
    (group,) = group_names(names_of(pattern, k=5))
    assert group.planes == planes


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ((1, 2, 4), ["IMG_0003.jpg"]),
        ((1, 3, 5, 7), []),
        ((1, 3, 5, 9), ["IMG_0007.jpg"]),
        ((9, 10, 11), []),
        ((1, 400), []),
    ],
)
def test_missing_numbers_are_found(numbers: tuple[int, ...], missing: list[str]) -> None:
    assert find_missing([f"IMG_{number:04d}.jpg" for number in numbers]) == missing


def test_a_plate_of_many_stacks_takes_no_minute() -> None:
    names = names_of("P_{r}{c:02d}_s{s}_z{z:02d}.tif", r="ABCDEFGH", c=6, s=2, z=5)
    assert len(group_names(names)) == 96
