"""Puts ``tests/`` on the path, so that every test can import ``support``."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# A busy machine is no failure, and no folder of examples is left behind.
settings.register_profile("regbot", deadline=None, database=None)
settings.load_profile("regbot")
