"""Options from a TOML file, checked like keywords and flags: python examples/options_from_toml.py [FOLDER].

The same file works on the command line: allfocus fuse FOLDER --options macro.toml. Writes into the current folder.
"""

import sys
from pathlib import Path

import allfocus

DEMO = Path(allfocus.__file__).parent / "demo_stack"

MACRO = """\
method = "network"
compose = "band"
align = "similarity"
exposure = "match"
depth = true
"""


def main() -> None:
    """Write the file, read it, fuse by it; and show what a typing mistake leads to."""
    frames = Path(sys.argv[1]) if len(sys.argv) > 1 else sorted(DEMO.glob("frame*.webp"))
    Path("macro.toml").write_text(MACRO, encoding="utf-8")
    options = allfocus.load_options("macro.toml")
    result = allfocus.fuse(frames, options=options)
    allfocus.save(result, "sharp.png", depth="depth.png", depth_preview="depth_in_colours.png")
    print(result)

    Path("wrong.toml").write_text('metod = "network"\n', encoding="utf-8")
    try:
        allfocus.load_options("wrong.toml")
    except allfocus.ConfigError as error:
        print(error)


if __name__ == "__main__":
    main()
