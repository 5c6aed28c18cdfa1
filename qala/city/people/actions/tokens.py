"""Tokens that programs ask the API with: made, renewed, revoked. A secret is returned once and not kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit, plug
from qala.kernel.access import Who
from qala.kernel.errors import Conflict, NotAllowed, SignInNeeded
from qala.kernel.secret import new_secret, secret_hash

from .. import rules, store
from ..models import Organisation, Token
from .checks import MANAGE, refuse, require_no_more_permissions


@transaction.atomic
def create_token(
    *,
    who: Who,
    now: datetime,
    name: str,
    permissions: Iterable[str],
    days: int,
    owner: Organisation | None = None,
    organisations: Iterable[Organisation] = (),
) -> tuple[Token, str]:
    """A token of the asker, or of an organisation (a service account), and its secret: 128 random bits.

    Args:
        permissions: what it is for; nobody gives a token what they do not hold, and none manages people.
        days: how long it is good, 1 to ``rules.TOKEN_DAYS_MOST``.
        owner: the organisation whose service account it is; its token reaches that organisation's rows.
        organisations: narrows a person's own token to these; empty: as far as the person reaches.

    Raises:
        BadInput: name, permissions or days cannot be; every fault is named.
        Conflict: the organisation is closed.
        NotAllowed, SignInNeeded: the asker is no person, or does not hold what the token would.
    """
    _require_person(who)
    name, wanted, among = name.strip(), sorted(set(permissions)), list(organisations)
    known = {one.key for one in plug.declared("permissions")} - rules.TOKEN_NEVER
    faults = []
    if not 0 < len(name) <= 100:
        faults.append(_("The name of a token has 1 to 100 characters."))
    if not wanted:
        faults.append(_("A token needs one permission at least."))
    if set(wanted) - known:
        faults.append(
            _("No token may have the permission {permissions}.").format(
                permissions=", ".join(sorted(set(wanted) - known))
            )
        )
    if not 1 <= days <= rules.TOKEN_DAYS_MOST:
        faults.append(_("A token is good for 1 to {days} days.").format(days=rules.TOKEN_DAYS_MOST))
    if owner is not None and among:
        faults.append(_("The token of an organisation is for that organisation alone."))
    refuse(faults)
    if owner is not None:
        who.require(MANAGE, owner.pk)
        if owner.closed_at is not None:
            raise Conflict(_("{name} is closed: it is given no tokens.").format(name=owner.name))
        require_no_more_permissions(who, wanted, owner.pk)
    elif who.id is None:
        raise NotAllowed(_("Only a person has tokens of their own; name an organisation."))
    else:
        unscoped = store.unscoped_permissions()
        for key in wanted:
            if not among or key in unscoped:
                who.require(key)
            else:
                for one in among:
                    who.require(key, one.pk)
    secret = new_secret(rules.TOKEN_PREFIX)
    token = Token.objects.create(
        name=name, person_id=who.id if owner is None else None, organisation=owner, sha256=secret_hash(secret),
        permissions=wanted, organisations=sorted(str(one.pk) for one in among), made_at=now,
        expires_at=now + timedelta(days=days),
    )  # fmt: skip
    audit.record(
        who=who, now=now, verb="people.create_token", thing="token", key=token.pk,
        after={
            "permissions": wanted, "organisation": owner.code if owner is not None else None,
            "organisations": [one.code for one in among], "expires_at": token.expires_at.isoformat(),
        },
    )  # fmt: skip
    return token, secret


@transaction.atomic
def renew_token(*, who: Who, now: datetime, token: Token, days: int) -> str:
    """A new secret for a token; the one before is good no more. Who and what it is for stays.

    Raises:
        BadInput: the days cannot be.
        Conflict: it was revoked.
        NotAllowed, SignInNeeded: it is neither the asker's nor of an organisation whose people they manage, or it
            holds what they do not.
    """
    _require_over(who, token)
    held = Token.objects.select_for_update().get(pk=token.pk)
    if held.revoked_at is not None:
        raise Conflict(_("This token was revoked."), fix=_("Make a new one."))
    if not 1 <= days <= rules.TOKEN_DAYS_MOST:
        refuse([_("A token is good for 1 to {days} days.").format(days=rules.TOKEN_DAYS_MOST)])
    if held.organisation_id is not None:
        require_no_more_permissions(who, held.permissions, held.organisation_id)
    secret = new_secret(rules.TOKEN_PREFIX)
    before = held.expires_at
    held.sha256, held.expires_at = secret_hash(secret), now + timedelta(days=days)
    held.save(update_fields=["sha256", "expires_at"])
    audit.record(
        who=who, now=now, verb="people.renew_token", thing="token", key=held.pk,
        before={"expires_at": before.isoformat()}, after={"expires_at": held.expires_at.isoformat()},
    )  # fmt: skip
    return secret


@transaction.atomic
def revoke_token(*, who: Who, now: datetime, token: Token) -> None:
    """End a token: its next request is refused.

    Raises:
        Conflict: it was revoked before.
        NotAllowed, SignInNeeded: it is neither the asker's nor of an organisation whose people they manage.
    """
    _require_over(who, token)
    if not Token.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now):
        raise Conflict(_("This token was revoked."))
    audit.record(who=who, now=now, verb="people.revoke_token", thing="token", key=token.pk)


def _require_person(who: Who) -> None:
    """Tokens are made and ended by people: one that leaked must not make another."""
    if who.kind == "anonymous":
        raise SignInNeeded(_("This needs a signed-in person."))
    if who.kind == "token":
        raise NotAllowed(_("A token makes and ends no tokens."), fix=_("Sign in and try again."))


def _require_over(who: Who, token: Token) -> None:
    _require_person(who)
    if token.organisation_id is not None:
        who.require(MANAGE, token.organisation_id)
    elif who.id is None or token.person_id != who.id:
        raise NotAllowed(_("This token is somebody else's."))
