"""What a wheel or source archive that `make` builds must hold: the page, and lists of what is bundled and needed.

Other builds, as `pip install .` in a checkout, do without either.
"""

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("src/allfocus/studio/assets")
PARTS = ("index.html", "page.js", "style.css", "licences.txt")
LISTS = Path("build/sbom")


class ReleaseHook(BuildHookInterface):
    """Refuses a release without the page; adds the lists (CycloneDX) to the wheel, as PEP 770 has it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Check, and add."""
        if version == "editable" or not os.environ.get("ALLFOCUS_RELEASE"):
            return
        root = Path(self.root)
        missing = [name for name in PARTS if not (root / PAGE / name).is_file()]
        if missing:
            raise SystemExit(
                f"the page is not built: {PAGE} lacks {', '.join(missing)}; run make studio (needs Node.js)"
            )
        lists = sorted((root / LISTS).glob("*.cdx.json"))
        if self.target_name == "wheel":
            if not lists:
                raise SystemExit(f"{LISTS} is empty; run make sbom")
            build_data["sbom_files"] += [str(path.relative_to(root)) for path in lists]
