"""``qala up``: start the city."""

from __future__ import annotations

import signal
import threading
from typing import Any

import click
from django.conf import settings as django_settings
from django.utils import translation
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from qala.kernel import console
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.config import Settings
from qala.site import demo as demonstration
from qala.site import logs, supervisor, tls
from qala.site.prepare import check_folder, let_go, make_folders, prepare, prepare_static


@click.command(help=_("Start the city: pages and background work, until Ctrl-C."))
@click.option("--demo", is_flag=True, help=_("Fill an empty data folder with a demonstration city."))
@click.option("--host", help=_("Address to listen on (default: QALA_HOST, 127.0.0.1)."))
@click.option(
    "--port", type=click.IntRange(0, 65535), help=_("Port to listen on, 0 for a free one (default: QALA_PORT, 8000).")
)
def up(demo: bool, host: str | None, port: int | None) -> None:
    settings: Settings = django_settings.QALA
    host = host or settings.host
    tls.check(settings)
    check_folder(settings)
    make_folders(settings)
    with supervisor.take_folder(settings) as lock:
        listening = supervisor.listen(host, settings.port if port is None else port)
        address = supervisor.address_of(settings, listening)
        supervisor.write_lock(lock, address)
        prepare(fully=True)
        prepare_static()
        if demo:
            demonstration.load_demo(settings, now=SYSTEM_CLOCK.now())
        accounts = demonstration.accounts_of(settings)
        let_go()
        logs.configure(settings, to="stderr", part="up")
        running = supervisor.Supervisor(settings, listening, demonstration.is_demo(settings))
        signal.signal(signal.SIGTERM, lambda *_given: running.stop())
        signal.signal(signal.SIGINT, lambda *_given: running.stop())
        signal.signal(signal.SIGHUP, lambda *_given: running.look_at_certificate())
        language = get_language()  # of this thread alone
        told = threading.Thread(
            target=_welcome, args=(running, settings, address, host, accounts, language), daemon=True
        )
        told.start()
        running.run()
        console.say(_("Stopped."), event="stopped")


def _welcome(
    running: supervisor.Supervisor, settings: Settings, address: str, host: str, accounts: list[dict[str, Any]],
    language: str | None,
) -> None:  # fmt: skip
    """Say where the city answers, once it does."""
    if not supervisor.wait_until_answering(address, running.stopping):
        return
    translation.activate(language or "en")
    console.say(
        _("Qala runs at {address}").format(address=address), event="ready", address=address, demo=running.demo,
        data_dir=settings.data_dir, accounts=accounts,
    )  # fmt: skip
    if host not in supervisor.LOOPBACK and not (settings.allowed_hosts or settings.public_url):
        console.warn(_("Pages answer to loopback names only: set QALA_ALLOWED_HOSTS or QALA_PUBLIC_URL."))
    if accounts and console.form() != "json":
        console.say(_("Accounts of the demonstration, usable on this machine alone:"))
        labels = {"email": _("E-mail"), "password": _("Password"), "role": _("Role")}
        console.table("account", accounts, {key: title for key, title in labels.items() if key in accounts[0]})
