"""What a serial may look like."""

from __future__ import annotations

import re

# also what a broker's topic takes without escaping
SERIAL = r"[A-Za-z0-9_-]{1,64}"


def is_serial(text: str) -> bool:
    return re.fullmatch(SERIAL, text) is not None
