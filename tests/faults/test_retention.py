"""kill -9 while old readings are deleted: consumption stays, and the next run finishes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from .city import City, ended, kill_after, result

pytestmark = pytest.mark.usefixtures("prepared")
KILLS = 4
# months of a lake of January to March 2025: all but the last go
SCRIPT = """
import django; django.setup()
from datetime import UTC, datetime, timedelta
from qala.kernel import retention
from qala.kernel.access import system
from qala.city.meters.actions import close
from qala.city.devices.models import Series
from qala.kernel.models import AuditEntry
us, now = system("test"), datetime(2025, 4, 10, tzinfo=UTC)
"""
SET = SCRIPT + 'retention.set_retention("readings.register", days=31, who=us, now=now)'
RUN = SCRIPT + 'print("begin", flush=True)\nretention.run(who=us, now=now)'
CLOSE = (
    SCRIPT
    + 'done = close(list(Series.objects.values_list("pk", flat=True)), now=now)\nprint(done.written, done.withdrawn)'
)
LEFT = (
    SCRIPT
    + """
from qala.kernel.lake import get_lake
with get_lake().question() as cursor:
    old = cursor.execute("SELECT count(*), count(DISTINCT series) FROM lake.readings WHERE t < TIMESTAMP '2025-03-01'").fetchone()
moves = AuditEntry.objects.filter(verb="city.move_horizon").count()
print(old[0], old[1], moves, sum(one.rows for one in retention.run(who=us, now=now, dry_run=True)))
"""
)


@pytest.mark.timeout(600)
def test_a_run_killed_again_and_again(fresh: Callable[[], City], registers: Path, chance: random.Random) -> None:
    city = fresh()
    assert result(ended(city.load(registers)))["refused"] == 0
    ended(city.start("-c", SET))
    before = city.look()
    kills = 0
    for _ in range(KILLS):
        process = city.start("-c", RUN)
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        kills += kill_after(process, chance.uniform(0, 0.6))
        found = city.look()
        assert found["readings"] == found["distinct"], "a reading stands twice"
        assert (found["intervals"], found["used"]) == (before["intervals"], before["used"])
        assert ended(city.start("-c", CLOSE)).split()[-2:] == ["0", "0"], "a close finds nothing to change"
    assert kills, "the machine was too quick: no run was killed"
    ended(city.start("-c", RUN))
    meters = before["devices"]
    assert ended(city.start("-c", LEFT)).split()[-4:] == [str(meters), str(meters), "1", "0"]
    found = city.look()
    for name in ("intervals", "starts", "used", "measures"):
        assert found[name] == before[name], name
