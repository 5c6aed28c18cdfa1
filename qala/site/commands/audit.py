"""``qala export audit``."""

from __future__ import annotations

from django.utils.translation import gettext as _

from qala.kernel.list_commands import export_command
from qala.site.audit import AUDIT

export_audit = export_command(AUDIT, _("Write the audit log to a CSV or XLSX file: who changed what, when and why."))
