"""What grows in the demo scene: grass, barley, a dandelion clock and a dandelion in bloom."""

import numpy as np

from optics import Canvas, Floats

Point = tuple[float, float]
Random = np.random.Generator


def curve(start: Point, bend: Point, end: Point, count: int = 40) -> Floats:
    """Quadratic Bezier curve as (count, 2) points."""
    t = np.linspace(0, 1, count, dtype=np.float32)[:, None]
    a, b, c = (np.array(p, np.float32) for p in (start, bend, end))
    return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c, np.float32)


def blade(canvas: Canvas, path: Floats, width: float, colour: Floats, rng: Random) -> None:
    """A leaf of grass: two halves that catch the light differently, a midrib and fine veins."""
    t = np.linspace(0, 1, len(path), dtype=np.float32)
    widths = width * np.minimum(1, 0.55 + t) * (1 - t**3)
    along = np.gradient(path, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], -1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
    tone = colour * (0.72 + 0.5 * t[:, None]) + np.array([30, 22, 0]) * t[:, None] ** 4
    for side, light in ((-1, 1.14), (1, 0.74)):
        canvas.ribbon(path + across * (side * widths / 4)[:, None], widths / 2, tone * light)
        for vein in rng.uniform(0.06, 0.46, max(2, int(width / 3))):
            glow = light * rng.uniform(0.82, 1.16)
            canvas.ribbon(path + across * (side * widths * vein)[:, None], 0.03 * widths + 0.15, tone * glow)
    canvas.ribbon(path, 0.07 * widths + 0.3, tone * 1.3)


def tuft(canvas: Canvas, base: Point, count: int, height: float, width: float, rng: Random) -> None:
    """Blades that fan out from one place on the ground."""
    for lean in np.sort(rng.uniform(-1, 1, count))[rng.permutation(count)]:
        tall = height * rng.uniform(0.55, 1)
        x = base[0] + lean * 14
        tip = (x + lean * tall * 0.62, base[1] - tall * (1 - 0.28 * lean**2))
        bend = (x + lean * tall * 0.12, base[1] - tall * 0.72)
        green = np.array([96, 122, 52]) + rng.normal(0, 1, 3) * (14, 12, 9)
        blade(canvas, curve((x, base[1]), bend, tip), width * rng.uniform(0.6, 1.1), green.astype(np.float32), rng)


def stalk(canvas: Canvas, path: Floats, width: float, colour: Floats) -> None:
    """A round stem: dark rims, a bright line where the light falls."""
    for offset, part, light in ((0, 1.0, 0.6), (-0.08, 0.72, 0.92), (-0.2, 0.3, 1.25)):
        tone = np.repeat((colour * light)[None], len(path), 0)
        canvas.ribbon(path + np.array([offset * width, 0], np.float32), np.full(len(path), part * width), tone)


def clock(canvas: Canvas, centre: Point, radius: float, rng: Random) -> None:
    """A dandelion's ball of seeds: each a beak that carries a parachute of hairs."""
    count = 130
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    turn = np.pi * (1 + 5**0.5) * k + rng.normal(0, 0.06, count)
    flat = np.sqrt(1 - z**2)
    outward = np.stack([flat * np.cos(turn), flat * np.sin(turn), z], -1)
    core = False
    for out in outward[np.argsort(outward[:, 2])]:
        if not core and out[2] > 0:
            receptacle(canvas, centre, radius * 0.15, rng)
            core = True
        parachute(canvas, centre, radius, out.astype(np.float32), rng)


def receptacle(canvas: Canvas, centre: Point, radius: float, rng: Random) -> None:
    """The pitted heart of the clock, with the brown seeds that sit on it."""
    turns = np.linspace(0, 2 * np.pi, 40, dtype=np.float32)
    rim = np.stack([np.cos(turns), np.sin(turns)], -1)
    for part, tone in ((1.0, (116, 104, 70)), (0.8, (150, 138, 96)), (0.5, (172, 160, 116))):
        canvas.polygon(np.array(centre, np.float32) + rim * radius * part - (1 - part) * radius * 0.2, np.float32(tone))
    for turn in rng.uniform(0, 2 * np.pi, 90):
        start = np.array(centre) + radius * rng.uniform(0.3, 0.95) * np.array([np.cos(turn), np.sin(turn)])
        end = start + radius * 0.45 * np.array([np.cos(turn), np.sin(turn)])
        seed = np.linspace(start, end, 6).astype(np.float32)
        tone = np.array([104, 78, 46]) * rng.uniform(0.7, 1.3)
        canvas.ribbon(seed, np.array([0.6, 2.2, 2.8, 2.4, 1.4, 0.5], np.float32), np.repeat(tone[None], 6, 0))


def parachute(canvas: Canvas, centre: Point, radius: float, out: Floats, rng: Random) -> None:
    """One seed: its beak and a cone of hairs; brighter towards the light and the viewer."""
    place = np.array(centre, np.float32)
    light = float(np.clip(0.78 + 0.22 * out[2] - 0.14 * out[0] - 0.16 * out[1], 0.45, 1.08))
    tip = place + out[:2] * radius * 0.72
    beak = np.linspace(place + out[:2] * radius * 0.16, tip, 12).astype(np.float32)
    canvas.ribbon(beak, np.full(12, 0.55, np.float32), np.repeat(np.array([[196, 188, 160]]) * light, 12, 0))
    side = np.cross(out, np.array([0.3, 0.9, 0.31], np.float32))
    side /= np.linalg.norm(side)
    other = np.cross(out, side)
    hairs = 22
    for turn in np.arange(hairs) * 2 * np.pi / hairs + rng.uniform(0, 1):
        spread = rng.uniform(0.86, 1.1)
        end = out * (0.72 + 0.2 * rng.uniform(0.6, 1.1)) + 0.26 * spread * (np.cos(turn) * side + np.sin(turn) * other)
        hair = curve(
            tuple(tip),
            tuple(tip + (end[:2] * radius - out[:2] * radius * 0.72) * 0.55 + out[:2] * 3),
            tuple(place + end[:2] * radius),
            10,
        )
        tone = np.array([238, 238, 232]) * light * rng.uniform(0.86, 1.06)
        canvas.ribbon(hair, np.linspace(0.55, 0.25, 10, dtype=np.float32), np.repeat(tone[None], 10, 0))


def bloom(canvas: Canvas, centre: Point, radius: float, rng: Random) -> None:
    """A dandelion in flower, seen a little from the side: rings of strap petals with toothed ends."""
    for ring in np.linspace(1, 0.2, 9):
        for turn in np.arange(26) * 2 * np.pi / 26 + rng.uniform(0, 2 * np.pi):
            reach = radius * ring * rng.uniform(0.9, 1.08)
            end = (
                np.array(centre)
                + reach * np.array([np.cos(turn), 0.62 * np.sin(turn)])
                + [0, (ring - 1) * radius * 0.24]
            )
            root = (centre[0], centre[1] + (ring - 1) * radius * 0.2)
            petal = np.linspace(root, end, 14).astype(np.float32)
            t = np.linspace(0, 1, 14, dtype=np.float32)
            light = (0.62 + 0.32 * ring) * rng.uniform(0.86, 1.08) * (0.8 + 0.25 * t[:, None])
            tone = np.array([[255, 212, 26]]) * light - np.array([[0, 46, 10]]) * (1 - ring)
            canvas.ribbon(petal, radius * 0.115 * np.minimum(1, 0.3 + 2 * t), tone)
            canvas.ribbon(petal + np.float32(0.25), np.full(14, 0.5, np.float32), tone * 0.84)


def barley(canvas: Canvas, path: Floats, rng: Random) -> None:
    """An ear of wild barley along `path`: plump grains, and awns as thin as hairs."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], -1)
    for k in range(len(path)):
        for side in (-1, 1):
            root = path[k] + across[k] * side * 2.5
            way = along[k] + across[k] * side * rng.uniform(0.22, 0.5)
            grain = np.linspace(root, root + way * 21, 12).astype(np.float32)
            t = np.linspace(0, 1, 12, dtype=np.float32)
            tone = (
                np.array([[206, 186, 112]])
                * rng.uniform(0.82, 1.1)
                * (0.78 + 0.34 * t[:, None])
                * (1.1 if side < 0 else 0.8)
            )
            length = rng.uniform(95, 150)
            tip = root + way * 21 + (along[k] + across[k] * side * rng.uniform(0.12, 0.5)) * length
            awn = curve(tuple(grain[-2]), tuple(root + way * (21 + 0.5 * length)), tuple(tip), 24)
            canvas.ribbon(awn, np.linspace(1.1, 0.3, 24, dtype=np.float32), np.repeat(tone[-1:] * 1.08, 24, 0))
            canvas.ribbon(grain, 6.4 * np.sin(np.pi * (0.12 + 0.8 * t)) ** 0.8, tone)
            canvas.ribbon(grain, 0.8 * np.sin(np.pi * t), tone * 0.72)


def ladybird(canvas: Canvas, centre: Point, size: float) -> None:
    """A seven-spot ladybird seen from above, head to the upper right."""
    turns = np.linspace(0, 2 * np.pi, 64, dtype=np.float32)
    lean = np.array([[0.82, 0.57], [-0.57, 0.82]], np.float32)

    def oval(x: float, y: float, a: float, b: float, colour: tuple[float, float, float]) -> None:
        rim = np.stack([x + a * np.cos(turns), y + b * np.sin(turns)], -1) * size
        canvas.polygon(np.array(centre, np.float32) + rim @ lean.astype(np.float32), np.float32(colour))

    for x in (-0.45, 0.05, 0.5):
        for side in (-1, 1):
            leg = np.array([[x, side * 0.6], [x + 0.12, side * 1.02], [x + 0.3, side * 1.16]]) * size
            canvas.ribbon(
                (np.array(centre) + leg @ lean).astype(np.float32), np.full(3, 0.09 * size), np.full((3, 3), 18.0)
            )
    oval(1.05, 0, 0.3, 0.42, (20, 18, 18))
    oval(1.08, 0.26, 0.09, 0.1, (236, 232, 220))
    oval(1.08, -0.26, 0.09, 0.1, (236, 232, 220))
    for part in np.linspace(1, 0.1, 14):
        red = np.array([128, 12, 10]) + (1 - part) * np.array([112, 44, 26])
        oval(0.16 * (1 - part), -0.22 * (1 - part), part, 0.82 * part, (red[0], red[1], red[2]))
    oval(0, 0, 0.98, 0.022, (50, 8, 8))
    for x, y, r in (
        (0.74, 0, 0.17),
        (0.25, 0.42, 0.17),
        (0.25, -0.42, 0.17),
        (-0.3, 0.5, 0.15),
        (-0.3, -0.5, 0.15),
        (-0.62, 0.2, 0.12),
        (-0.62, -0.2, 0.12),
    ):
        oval(x, y, r, r, (22, 14, 14))
    oval(0.36, -0.3, 0.13, 0.06, (252, 236, 226))
