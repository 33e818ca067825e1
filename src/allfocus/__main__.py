"""``python -m allfocus`` does what the command ``allfocus`` does."""

import sys

from allfocus.cli import main

sys.exit(main())
