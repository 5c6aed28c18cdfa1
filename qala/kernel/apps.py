from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from . import measures
from .plug import Job, MatterConfig, Plug


class KernelConfig(MatterConfig):
    name = "qala.kernel"
    label = "kernel"
    verbose_name = "Kernel"
    plug = Plug(
        lake_tables=(measures.TABLE,),
        jobs=(
            Job(
                "lake.maintain", "qala.kernel.lake.maintain", every=timedelta(minutes=5), title=_("Keep the lake tidy")
            ),
        ),
    )
