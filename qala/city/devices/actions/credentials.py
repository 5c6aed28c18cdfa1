"""Credentials of devices: issued one by one or in bulk, shown once, renewed with an overlap, ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from qala.kernel import audit, outbox
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, NotAllowed, SignInNeeded
from qala.kernel.ids import new_id
from qala.kernel.secret import new_secret, secret_hash

from ..models import Device, DeviceCredential
from ..rules import is_serial
from ..store import among, credentials_good_at, visible_to

CREDENTIALS = "devices.credentials"
SECRET_PREFIX = "qdev_"  # noqa: S105 - it tells people and scanners what the rest is
MOST_OVERLAP_HOURS = 24 * 31
MOST_DEVICES = 200_000  # whose secrets are shown at once
TOLD_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which devices credentials are for: those of some serials, or all of an owner, a model or both that are in use."""

    serials: tuple[str, ...] = ()
    owner: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """What was issued: (serial, secret) by serial, and the number of devices that had a credential and kept it."""

    batch: UUID
    secrets: tuple[tuple[str, str], ...]
    kept: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What issuing would do: devices that get a first credential, a new one, or keep the one that they have."""

    first: int
    renewed: int
    kept: int


def plan_credentials(chosen: Chosen, *, who: Who, now: datetime, renew: bool = False) -> Plan:
    """What ``issue_credentials`` would do.

    Raises:
        BadInput, NotAllowed, SignInNeeded: as ``issue_credentials``.
    """
    devices = _chosen(chosen, who)
    have = _with_credential(devices, now)
    return Plan(len(devices) - len(have), len(have) if renew else 0, 0 if renew else len(have))


@transaction.atomic
def issue_credentials(
    chosen: Chosen, *, who: Who, now: datetime, renew: bool = False, overlap_hours: int = 0, why: str = ""
) -> Issued:
    """Give devices secrets of 128 random bits. They are in the answer and nowhere else.

    Args:
        renew: devices that have a credential get another; else they keep it.
        overlap_hours: how long the one before stays good beside its successor, until the device was told.

    Raises:
        BadInput: a serial is no device that the asker may give a credential, or was retired; every bad one is named.
            Also where there is none to choose, or too many for one answer.
        NotAllowed, SignInNeeded: the asker gives no credentials, or is a token.
    """
    if not 0 <= overlap_hours <= MOST_OVERLAP_HOURS:
        raise BadInput(_("The overlap is 0 to {hours} hours.").format(hours=MOST_OVERLAP_HOURS))
    devices = _chosen(chosen, who)
    held = DeviceCredential.objects.filter(device__in=_among(devices), ends_at__isnull=True)
    have = _with_credential(devices, now)
    wanted = [one for one in devices if renew or one[0] not in have]
    if renew:
        held.update(ends_at=now + timedelta(hours=overlap_hours))
    batch = new_id()
    made = [(key, serial, new_secret(SECRET_PREFIX)) for key, serial in wanted]
    DeviceCredential.objects.bulk_create(
        (
            DeviceCredential(
                device_id=key, batch=batch, sha256=secret_hash(secret), made_at=now, made_by_id=who.id,
                made_by_name=who.name[:200],
            )
            for key, _serial, secret in made
        ),
        batch_size=1000,
    )  # fmt: skip
    if made:
        _note(
            "devices.issue_credentials", [(key, serial) for key, serial, _secret in made], who=who, now=now, why=why,
            after={
                "count": len(made), "renewed": len(have) if renew else 0, "overlap_hours": overlap_hours,
                "batch": str(batch),
            },
        )  # fmt: skip
    return Issued(batch, tuple((serial, secret) for _key, serial, secret in made), len(devices) - len(made))


@transaction.atomic
def end_credentials(chosen: Chosen, *, who: Who, now: datetime, why: str = "") -> int:
    """End the credentials of devices at once, also those in their overlap. Returns how many devices had one.

    Raises:
        BadInput, NotAllowed, SignInNeeded: as ``issue_credentials``.
    """
    devices = _chosen(chosen, who, retired=True)
    have = _with_credential(devices, now)
    ended = [one for one in devices if one[0] in have]
    end_of(ended, now=now)
    if ended:
        _note("devices.end_credentials", ended, who=who, now=now, why=why, after={"count": len(ended)})
    return len(ended)


def end_of(devices: Sequence[tuple[UUID, str]], *, now: datetime) -> None:
    """End what devices prove themselves with, inside the transaction of the change that asks for it, and tell of it."""
    good = DeviceCredential.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now), device__in=_among(devices))
    if good.update(ends_at=now):
        _tell(devices, now=now)


def _chosen(chosen: Chosen, who: Who, *, retired: bool = False) -> list[tuple[UUID, str]]:
    """(id, serial) of the devices that were chosen, by serial; none twice."""
    if who.kind == "anonymous":
        raise SignInNeeded(_("This needs a signed-in person."))
    if who.kind == "token":
        raise NotAllowed(_("A token gives and ends no credentials."), fix=_("Sign in and try again."))
    scope = who.require(CREDENTIALS)
    found: QuerySet[Device] = visible_to(who) if scope.everything else visible_to(who).filter(owner__in=scope.organisations)  # fmt: skip
    if not retired:
        found = found.exclude(state=Device.RETIRED)
    if chosen.serials:
        found = found.filter(serial__in=among([one for one in chosen.serials if is_serial(one)]))
    elif not (chosen.owner or chosen.model):
        raise BadInput(_("Nothing says which devices are meant."), fix=_("Name serials, an owner or a model."))
    if chosen.owner:
        found = found.filter(owner__code=chosen.owner)
    if chosen.model:
        found = found.filter(model=chosen.model)
    rows = list(found.order_by("serial").values_list("pk", "serial")[: MOST_DEVICES + 1])
    missing = sorted(set(chosen.serials) - {serial for _key, serial in rows})
    if missing:
        raise BadInput(
            _("{n} serials are no devices in use that you may give credentials.").format(n=len(missing)),
            rows=missing[:1000], fix=_("Nothing was changed."),
        )  # fmt: skip
    if not rows:
        raise BadInput(_("No device is like that."))
    if len(rows) > MOST_DEVICES:
        raise BadInput(
            _("More than {most} devices are like that.").format(most=MOST_DEVICES), fix=_("Take them in parts.")
        )
    return rows


def _among(devices: Sequence[tuple[UUID, str]]) -> QuerySet[Device]:
    return Device.objects.filter(serial__in=among([serial for _key, serial in devices]))


def _with_credential(devices: Sequence[tuple[UUID, str]], now: datetime) -> set[UUID]:
    """Those that hold a credential now."""
    return set(credentials_good_at(now).filter(device__in=_among(devices)).values_list("device_id", flat=True))


def _note(
    verb: str, devices: Sequence[tuple[UUID, str]], *, who: Who, now: datetime, why: str, after: dict[str, object]
) -> None:
    audit.record(
        who=who, now=now, verb=verb, thing="device", why=why,
        key=devices[0][0] if len(devices) == 1 else f"{len(devices)} devices",
        after={**after, "serials": [serial for _key, serial in devices[:100]]},
    )  # fmt: skip
    if verb != "devices.end_credentials":
        _tell(devices, now=now)


def _tell(devices: Sequence[tuple[UUID, str]], *, now: datetime) -> None:
    for part in _parts(devices):
        outbox.tell(
            "devices.credentials_changed", {"count": len(part), "devices": [str(key) for key, _serial in part]}, now=now
        )


def _parts(devices: Sequence[tuple[UUID, str]]) -> Iterator[Sequence[tuple[UUID, str]]]:
    return (devices[start : start + TOLD_AT_ONCE] for start in range(0, len(devices), TOLD_AT_ONCE))
