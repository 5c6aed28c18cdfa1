"""Which series a row of a file belongs to, and the exact ratio from its number to the series' last digit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction
from functools import cache
from itertools import count
from uuid import UUID

from django.db import IntegrityError

from qala import drivers
from qala.kernel import units
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict

from ..models import RefusalReason
from ..rules import Profile, is_serial
from ..store import resolve_series
from .registry import NewDevice, register_devices

ONE = Fraction(1)
SeriesOf = tuple[int, str, str, int]  # (series, property, unit, exponent)
Match = tuple[int, int, int]  # (series, num, den) with register = value * num / den


class Matching:
    """What one pass over a file knows of its serials.

    Args:
        owner_id: the organisation that created devices belong to.
        owners: whose devices the asker may load for; ``None``: all.
        dry_run: devices are invented, not created.
    """

    def __init__(
        self, profile: Profile, *, who: Who, file_name: str, owner_id: UUID | None, owners: frozenset[UUID] | None,
        dry_run: bool,
    ) -> None:  # fmt: skip
        self.profile, self.who, self.file_name, self.dry_run = profile, who, file_name, dry_run
        self.owner_id, self.owners = owner_id, owners
        self.created: set[str] = set()
        self._known: dict[str, list[SeriesOf]] = {}
        self._matched: dict[tuple[str | None, str | None], dict[str, Match | None]] = {}
        self._invented = count(-1, -1)  # series of devices that a dry run does not create

    def matches(self, serials: list[str], name: str | None, unit: str | None) -> list[Match | None]:
        """(series, num, den) of each serial for a property and a unit, where they are known and fit."""
        held = self._matched.setdefault((name, unit), {})
        fresh = [serial for serial in serials if serial not in held]
        self._known.update(
            resolve_series(sorted({one for one in fresh if one and one not in self._known}), owners=self.owners)
        )
        for serial in fresh:
            if serial in self._known:  # others may be created yet
                series, ratio, _ = self.match(serial, name, unit)
                held[serial] = None if series is None else (series, ratio.numerator, ratio.denominator)
        return [held.get(serial) for serial in serials]

    def match(self, serial: str, wanted: str | None, unit: str | None) -> tuple[int | None, Fraction, str | None]:
        """The series of a device that (property, unit) means, the exact ratio to its last digit, or what is wrong."""
        series = self._known.get(serial)
        if not series:
            return None, ONE, RefusalReason.UNKNOWN_DEVICE.value
        chosen = [row for row in series if row[1] == wanted] if wanted else series
        if len(chosen) != 1:
            return None, ONE, RefusalReason.UNKNOWN_SERIES.value
        number, _, inside, exponent = chosen[0]
        try:
            return number, _scale(unit or "", inside, exponent), None
        except BadInput:
            return None, ONE, RefusalReason.BAD_UNIT.value

    def learn(self, serials: Iterable[str], now: datetime) -> None:
        """Learn the series of serials, creating devices where the profile says so."""
        fresh = [serial for serial in serials if serial not in self._known]
        found = resolve_series(fresh, owners=self.owners)
        unknown = [serial for serial in fresh if serial not in found]
        if unknown and self.profile.unknown == "create" and self.profile.model:
            taken = set(resolve_series(unknown, owners=None))  # another organisation's: refused like an unknown one
            make = [serial for serial in unknown if serial not in taken and is_serial(serial)]
            if self.dry_run:
                self.created.update(make)
                driver = drivers.driver(self.profile.model)
                for serial in make:
                    found[serial] = [
                        (next(self._invented), one.name, one.unit, one.exponent) for one in driver.property
                    ]
            else:
                self._create(make, now)
                found.update(resolve_series(make, owners=self.owners))
        self._known.update({serial: found.get(serial, []) for serial in fresh})

    def _create(self, serials: list[str], now: datetime) -> None:
        """Register devices; those that another load registers at the same time are left to it."""
        while serials:
            fresh = [
                NewDevice(serial=serial, model=self.profile.model or "", owner_id=self.owner_id) for serial in serials
            ]
            try:
                register_devices(fresh, who=self.who, now=now, why=f"unknown in {self.file_name}, profile creates")
            except (Conflict, IntegrityError):
                there = resolve_series(serials, owners=None)
                if not there:
                    raise
                serials = [serial for serial in serials if serial not in there]
            else:
                self.created.update(serials)
                return


@cache
def _scale(unit: str, inside: str, exponent: int) -> Fraction:
    return units.scale_of(unit, inside, exponent)
