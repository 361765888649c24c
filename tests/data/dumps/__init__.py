"""A store of each schema version, as `gmm backup` wrote it; never made anew.

`v<version>.gmm` holds `contents.py`; version 0 is a store from before there was one.
When a migration is added, `python -m tests.data.dumps.make` makes the new version's
dump, to be committed with it; the old ones stay as they are.
"""

from __future__ import annotations

from pathlib import Path

DUMPS = sorted(Path(__file__).parent.glob("v*.gmm"))
