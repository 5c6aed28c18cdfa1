"""What devices know of a person, for their own copy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ..models import ClaimAttempt, DeviceChange, DeviceCredential, DeviceLoad, Load, Occupancy
from .own import own_parts, own_readings


def export_of(person: UUID) -> dict[str, list[dict[str, Any]]]:
    """Occupancies, the readings of each within its own time, wrong codes of the last day, and what the person did."""
    held = list(Occupancy.objects.filter(person=person).select_related("owner").order_by("valid_from", "pk"))
    return {
        "meter_points": [
            {
                "id": str(one.pk), "owner": one.owner.code, "meter_point": one.meter_point, "from": _text(one.valid_from),
                "to": _text(one.valid_to), "source": one.source, "entered_at": _text(one.entered_at),
            }
            for one in held
        ],
        "readings": [
            {
                "meter_point_id": str(row.occupancy), "serial": row.serial, "property": row.property,
                "time": _text(row.time), "value": f"{row.value:f}", "unit": row.unit, "quality": row.quality,
            }
            for row in own_readings(own_parts(held))
        ],
        "wrong_codes": [
            {"at": _text(one.at), "address": one.address}
            for one in ClaimAttempt.objects.filter(person=person).order_by("at")
        ],
        "device_changes": [
            {"at": _text(at), "serial": serial, "kind": kind, "name": name, "why": why}
            for at, serial, kind, name, why in DeviceChange.objects.filter(who_id=person)
            .order_by("at")
            .values_list("at", "device__serial", "kind", "who_name", "why")
        ],
        "credentials_given": [
            {"at": _text(at), "serial": serial, "name": name}
            for at, serial, name in DeviceCredential.objects.filter(made_by_id=person)
            .order_by("made_at", "device__serial")
            .values_list("made_at", "device__serial", "made_by_name")
        ],
        "files_loaded": [
            {"at": _text(at), "file": file, "name": name}
            for model, column in ((Load, "started_at"), (DeviceLoad, "at"))
            for at, file, name in model.objects.filter(who_id=person)
            .order_by(column)
            .values_list(column, "file_name", "who_name")
        ],
    }  # fmt: skip


def _text(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat()
