"""The house's own commands, by path; those of matters come from their plugs."""

from __future__ import annotations

HOUSE = {
    "up": "qala.site.commands.up.up",
    "storage": "qala.site.commands.storage.storage",
    "status": "qala.site.commands.status.status",
    "doctor": "qala.site.commands.doctor.doctor",
    "backup": "qala.site.commands.backup.backup",
    "restore": "qala.site.commands.backup.restore",
    "upgrade": "qala.site.commands.upgrade.upgrade",
    "_part": "qala.site.commands.part.part",
}
