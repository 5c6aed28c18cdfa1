from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from . import measures
from .plug import Check, Job, MatterConfig, Permission, Personal, Plug, Told


class KernelConfig(MatterConfig):
    name = "qala.kernel"
    label = "kernel"
    verbose_name = "Kernel"
    plug = Plug(
        permissions=(
            Permission("audit.view", _("See who changed what, and when")),
            Permission("city.operate", _("See how the city runs, and repeat work that failed"), scoped=False),
        ),
        grants={"manager": ("audit.view",)},
        told=(
            Told(
                "city.work_failed",
                "kind: job or news; key: of the job's task or the delivery; name: of the job or the event; reason: one line",
            ),
            Told("city.backup_failed", "folder: where to; reason: one line"),
        ),
        personal=(Personal(_("Audit log"), "qala.kernel.audit.export_of", "qala.kernel.audit.erase_names"),),
        checks=(Check("audit", "qala.kernel.audit.check"),),
        lake_tables=(measures.TABLE,),
        jobs=(
            Job(
                "lake.maintain", "qala.kernel.lake.maintain", every=timedelta(minutes=5), title=_("Keep the lake tidy")
            ),
            Job(
                "media.clean",
                "qala.kernel.media.clean",
                every=timedelta(days=1),
                title=_("Remove pictures that nothing shows any more"),
            ),
        ),
    )
