"""Organisations: made, renamed, closed and opened again."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit, outbox
from qala.kernel.access import Who
from qala.kernel.errors import Conflict

from ..models import Membership, Organisation, Token
from .checks import refuse, require_everywhere
from .memberships import end_all


@transaction.atomic
def create_organisation(
    *,
    who: Who,
    now: datetime,
    code: str,
    kind: str,
    name_kk: str = "",
    name_ru: str = "",
    name_en: str = "",
    is_demo: bool = False,
) -> Organisation:
    """A new organisation.

    Args:
        code: its short name in files and addresses: letters, digits, ``-`` and ``_``, 50 at most.
        kind: one of ``Organisation.KINDS``.
        name_kk, name_ru, name_en: its name in the three languages, in one of them at least.

    Raises:
        BadInput: code, kind or names cannot be; every fault is named.
        Conflict: there is an organisation of that code.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere.
    """
    require_everywhere(who)
    names = {"name_kk": name_kk.strip(), "name_ru": name_ru.strip(), "name_en": name_en.strip()}
    faults = []
    try:
        validate_slug(code)
    except ValidationError:
        faults.append(_("The code {code!r} may hold Latin letters, digits, - and _ only.").format(code=code))
    if len(code) > 50:
        faults.append(_("A code has 50 characters at most."))
    refuse([*faults, *_faults_of(kind, names)])
    if Organisation.objects.filter(code=code).exists():
        raise Conflict(_("There is an organisation with the code {code}.").format(code=code))
    organisation = Organisation.objects.create(code=code, kind=kind, is_demo=is_demo, **names)
    audit.record(
        who=who, now=now, verb="people.create_organisation", thing="organisation", key=organisation.pk,
        after={"code": code, "kind": kind, "is_demo": is_demo, **names},
    )  # fmt: skip
    return organisation


@transaction.atomic
def change_organisation(
    *, who: Who, now: datetime, organisation: Organisation, kind: str, name_kk: str, name_ru: str, name_en: str
) -> None:
    """Set the kind and the names of an organisation; its code stays.

    Raises:
        BadInput: kind or names cannot be; every fault is named.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere.
    """
    require_everywhere(who)
    names = {"name_kk": name_kk.strip(), "name_ru": name_ru.strip(), "name_en": name_en.strip()}
    refuse(_faults_of(kind, names))
    after = {"kind": kind, **names}
    before = {field: getattr(organisation, field) for field in after}
    if before == after:
        return
    for field, value in after.items():
        setattr(organisation, field, value)
    organisation.save(update_fields=list(after))
    audit.record(
        who=who, now=now, verb="people.change_organisation", thing="organisation", key=organisation.pk,
        before=before, after=after,
    )  # fmt: skip


@transaction.atomic
def close_organisation(*, who: Who, now: datetime, organisation: Organisation, why: str = "") -> int:
    """Close an organisation as of now: the roles in it and its API tokens end, what it owns stays as it is.

    Returns:
        How many roles ended.

    Raises:
        Conflict: it is closed already.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere.
    """
    require_everywhere(who)
    held = Organisation.objects.select_for_update().get(pk=organisation.pk)
    if held.closed_at is not None:
        raise Conflict(_("{name} is closed already.").format(name=held.name))
    held.closed_at = organisation.closed_at = now
    held.save(update_fields=["closed_at"])
    ended = end_all(who, now, Membership.objects.filter(organisation=held), why=why)
    tokens = Token.objects.filter(organisation=held, revoked_at__isnull=True).update(revoked_at=now)
    audit.record(
        who=who, now=now, verb="people.close_organisation", thing="organisation", key=held.pk,
        before={"closed_at": None},
        after={"closed_at": now.isoformat(), "memberships_ended": ended, "tokens_revoked": tokens}, why=why,
    )  # fmt: skip
    outbox.tell("people.organisation_closed", {"organisation": str(held.pk)}, now=now)
    return ended


@transaction.atomic
def reopen_organisation(*, who: Who, now: datetime, organisation: Organisation, why: str = "") -> None:
    """Open a closed organisation again; roles and tokens that ended with it do not come back by themselves.

    Raises:
        Conflict: it is open.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere.
    """
    require_everywhere(who)
    held = Organisation.objects.select_for_update().get(pk=organisation.pk)
    if held.closed_at is None:
        raise Conflict(_("{name} is open.").format(name=held.name))
    before, held.closed_at, organisation.closed_at = held.closed_at, None, None
    held.save(update_fields=["closed_at"])
    audit.record(
        who=who, now=now, verb="people.reopen_organisation", thing="organisation", key=held.pk,
        before={"closed_at": before.isoformat()}, after={"closed_at": None}, why=why,
    )  # fmt: skip


def _faults_of(kind: str, names: dict[str, str]) -> list[str]:
    kinds = [key for key, _title in Organisation.KINDS]
    faults = []
    if kind not in kinds:
        faults.append(
            _("{kind!r} is no kind of organisation; there are {kinds}.").format(kind=kind, kinds=", ".join(kinds))
        )
    if not any(names.values()):
        faults.append(_("An organisation needs a name in one language at least."))
    if any(len(name) > 200 for name in names.values()):
        faults.append(_("A name has 200 characters at most."))
    return faults
