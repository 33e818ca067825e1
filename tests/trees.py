"""What the modules of the package are written as, for tests of how they are written."""

import ast
import gc
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "allfocus").rglob("*.py"))


@cache
def trees() -> dict[Path, ast.Module]:
    """The syntax tree of each module: a million small objects, which a search for garbage had better not meet."""
    gc.disable()
    try:
        return {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    finally:
        gc.freeze()
        gc.enable()
