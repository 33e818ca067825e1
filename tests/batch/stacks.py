"""Small trees of stacks for tests of batches."""

from pathlib import Path

from allfocus.io import write_image
from pictures import focal_frames, focused_pair, picture


def write_stack(
    folder: Path, names: tuple[str, ...] = ("a1.png", "a2.png"), seed: int = 0, side: int = 48
) -> list[Path]:
    """A stack whose frames have these names."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = (
        focused_pair(picture(side, side, seed=seed))
        if len(names) == 2
        else focal_frames(side, side, len(names), seed=seed)
    )
    for name, frame in zip(names, frames, strict=True):
        write_image(folder / name, frame)
    return [folder / name for name in names]


def write_tree(root: Path, count: int, side: int = 48) -> list[Path]:
    """A tree of stacks, some folders deep."""
    folders = [root / f"plate{k % 2}" / f"well{k:02d}" for k in range(count)]
    for k, folder in enumerate(folders):
        write_stack(folder, seed=k, side=side)
    return folders
