"""``qala _part NAME``: one part of ``qala up``, started by its supervisor alone."""

from __future__ import annotations

import os

import click
from django.conf import settings
from django.utils.translation import gettext as _

from qala.kernel.errors import BadInput
from qala.site import logs, supervisor


@click.command(hidden=True)
@click.argument("name", type=click.Choice(["web", "worker"]))
def part(name: str) -> None:
    """Run one part of qala up."""
    if supervisor.LISTEN_FD not in os.environ:
        raise BadInput(_("Parts are started by qala up alone."), fix="qala up")
    logs.configure(settings.QALA, to="stderr", part=name)
    from qala.site.prepare import prepare

    prepare(quiet=True)
    if name == "web":
        from qala.site import web

        web.run()
    else:
        from qala.site import worker

        worker.run()
