"""The native core of local-graders, as a library that ctypes loads: see native/README.md.

Attributes:
    LIBRARY: where it is.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["LIBRARY", "__version__"]

__version__ = version("graders-native")

_NAMES = {"win32": "graders_native.dll", "darwin": "libgraders_native.dylib"}
LIBRARY = Path(__file__).with_name(_NAMES.get(sys.platform, "libgraders_native.so"))
