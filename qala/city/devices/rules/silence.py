"""When a device counts as silent."""

from __future__ import annotations

from datetime import timedelta

LEAST_MARGIN = timedelta(hours=2)
MARGIN_SHARE = 12  # a twelfth of the interval: two hours for a day


def allowance(expected_minutes: int) -> timedelta:
    """How long nothing may come from a device that reports every so often: its interval and a margin.

    The margin is a twelfth of the interval, two hours at least: 3 hours for an hourly report, 26 for a daily one.
    """
    interval = timedelta(minutes=expected_minutes)
    return interval + max(LEAST_MARGIN, interval / MARGIN_SHARE)
