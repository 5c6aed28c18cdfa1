from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from . import measures
from .plug import Check, Job, MatterConfig, Permission, Personal, Plug, Retained, Told


class KernelConfig(MatterConfig):
    name = "qala.kernel"
    label = "kernel"
    verbose_name = "Kernel"
    plug = Plug(
        permissions=(
            Permission("audit.view", _("See who changed what, and when")),
            Permission("city.operate", _("See how the city runs, and repeat work that failed"), scoped=False),
            Permission("city.retain", _("Set how long data are kept, and delete what is older"), scoped=False),
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
        retained=(
            Retained("outbox.deliveries", _("News that was delivered"), "qala.kernel.forgotten.count_news",
                     "qala.kernel.forgotten.forget_news", least_days=7),
            Retained("jobs.finished", _("Finished jobs"), "qala.kernel.forgotten.count_jobs",
                     "qala.kernel.forgotten.forget_jobs", days=7, least_days=2),
            Retained("measures", _("Measures"), "qala.kernel.forgotten.count_nothing",
                     why=_("Indicators, pilots and decisions rest on them.")),
            Retained("audit", _("Audit log"), "qala.kernel.forgotten.count_nothing",
                     why=_("It must tell for all time who changed what; an erasure cuts names out of it.")),
        ),
        jobs=(
            Job("retention.run", "qala.kernel.retention.run_nightly", every=timedelta(days=1),
                title=_("Delete what is older than it is kept")),
            Job(
                "lake.maintain", "qala.kernel.lake.maintain_in_turn", every=timedelta(minutes=5), title=_("Keep the lake tidy")
            ),
            Job(
                "media.clean",
                "qala.kernel.media.clean",
                every=timedelta(days=1),
                title=_("Remove pictures that nothing shows any more"),
            ),
        ),
    )  # fmt: skip
