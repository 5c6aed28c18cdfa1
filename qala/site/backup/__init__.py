"""Back-ups of a whole city, and a city made from one.

A back-up is a folder of its own: records, catalogue, the lake's files, other files of the data folder, and a manifest
with the SHA-256 of each, written last. See ``docs/decisions/0011-one-instant-for-two-databases.md``.
"""

from .manifest import Manifest, find, list_complete, read, verify
from .prune import prune
from .restore import restore
from .take import Taken, take

__all__ = ["Manifest", "Taken", "find", "list_complete", "prune", "read", "restore", "take", "verify"]
