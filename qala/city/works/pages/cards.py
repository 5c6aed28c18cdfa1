"""What works put on shared pages."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK

from .. import store
from ..rules import OPEN_STATES


def orders(request: HttpRequest, who: Who) -> dict[str, Any]:
    """How much work is open, overdue, and done but not checked."""
    counts = store.count_orders(who, SYSTEM_CLOCK.now())
    return {
        "open": sum(counts.get(state, 0) for state in OPEN_STATES),
        "overdue": counts[store.OVERDUE],
        "done": counts.get("done", 0),
        "may_order": who.may("works.order"),
    }
