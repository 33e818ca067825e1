"""Fuse a folder of pictures and save the result with its maps: python examples/fuse_folder.py [FOLDER].

Without a folder it fuses the focal stack that ships with the package. Writes into the current folder.
"""

import sys
from pathlib import Path

import allfocus

DEMO = Path(allfocus.__file__).parent / "demo_stack"


def main() -> None:
    """Fuse, save, and print which frame the middle of the picture comes from."""
    frames = Path(sys.argv[1]) if len(sys.argv) > 1 else sorted(DEMO.glob("frame*.webp"))
    result = allfocus.fuse(frames)
    for note in allfocus.save(result, "sharp.png", index_map="index.png", confidence="confidence.png"):
        print("note:", note)
    height, width = result.image.shape[:2]
    middle = result.names[result.index_map[height // 2, width // 2]]
    print(result)
    print(f"the middle of the picture comes from {middle}")


if __name__ == "__main__":
    main()
