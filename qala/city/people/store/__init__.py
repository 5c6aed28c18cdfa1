"""Named reads of persons, organisations, roles and memberships."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.core.signing import BadSignature, Signer
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from qala.kernel import plug
from qala.kernel.access import ANONYMOUS, Who
from qala.kernel.config import get_settings
from qala.kernel.errors import NotFound
from qala.kernel.secret import secret_hash

from .. import rules
from ..models import ErasureRequest, Membership, Organisation, Person, Role, SignIn, Token

VIEW = "people.view"
INVITATION_DAYS = 7
EMAILS_AT_ONCE = 5000
log = structlog.get_logger(__name__)
_signer = Signer(salt="qala.people.invitation", sep=".")  # a colon ends a link in some mail programs


def who_of(person: AbstractBaseUser | AnonymousUser | None, now: datetime) -> Who:
    """The asker that a person is at an instant, with what their open memberships grant; one query.

    Nobody, somebody who is not signed in, and a person whose account is closed are all ``ANONYMOUS``. Who holds a role
    that needs a second factor and has none is granted nothing, which ``Person.lacks_second_factor`` then says.
    """
    if not isinstance(person, AbstractBaseUser) or not person.is_active:
        return ANONYMOUS
    with_factor = Exists(_factors().filter(user_id=OuterRef("person_id")))
    held = list(
        open_at(now)
        .filter(person_id=person.pk)
        .values_list("organisation_id", "role__permissions", "role__needs_second_factor", with_factor)
    )
    lacks = any(needed and not there for _organisation, _permissions, needed, there in held)
    person.lacks_second_factor = lacks  # type: ignore[attr-defined]
    grants = [] if lacks else [(organisation, permissions) for organisation, permissions, _needed, _there in held]
    return Who("person", str(person), person.pk, rules.grants_of(grants, unscoped=unscoped_permissions()))


def _factors() -> QuerySet[Authenticator]:
    """Second factors; recovery codes are none of their own."""
    found: QuerySet[Authenticator] = Authenticator.objects.exclude(type=Authenticator.Type.RECOVERY_CODES)
    return found


def open_at(now: datetime) -> QuerySet[Membership]:
    """Memberships that hold at an instant."""
    return Membership.objects.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=now), valid_from__lte=now)


def unscoped_permissions() -> frozenset[str]:
    """Declared permissions that are not about an organisation's rows."""
    return frozenset(one.key for one in plug.declared("permissions") if not one.scoped)


def get_organisation(code: str) -> Organisation:
    """The organisation of that code; which organisations there are is public.

    Raises:
        NotFound: there is none.
    """
    try:
        return Organisation.objects.get(code=code)
    except Organisation.DoesNotExist:
        raise NotFound(f"There is no organisation {code!r}.") from None


def list_organisations(*, closed: bool = True) -> list[Organisation]:
    """All organisations by code; which organisations there are is public.

    Args:
        closed: those too that are closed.
    """
    found = Organisation.objects.order_by("code")
    return list(found if closed else found.filter(closed_at__isnull=True))


def organisations_by_id(ids: set[UUID]) -> dict[UUID, Organisation]:
    """Those of the organisations that exist, in one query; for matters whose rows name their owner."""
    return Organisation.objects.in_bulk(ids)


def find_person(email: str, *, who: Who, now: datetime) -> Person | None:
    """The person of that e-mail address where the asker may know of them: themselves, or one of an organisation
    (or city) that their ``people.view`` reaches."""
    person = Person.objects.filter(email=email.strip().lower(), erased_at__isnull=True).first()
    if person is None or person.pk == who.id:
        return person
    scope = who.scope("people.view")
    if scope.everything:
        return person
    of_theirs = open_at(now).filter(person=person, organisation__in=scope.organisations)
    return person if scope and of_theirs.exists() else None


def persons_by_email(emails: Collection[str], *, who: Who, now: datetime) -> dict[str, Person]:
    """The persons of e-mail addresses (in lower case) whom the asker may know of; few queries for many addresses."""
    wanted, found = sorted(set(emails)), {}
    for start in range(0, len(wanted), EMAILS_AT_ONCE):
        some = visible_to(who, now).filter(email__in=wanted[start : start + EMAILS_AT_ONCE])
        found.update({person.email: person for person in some})
    return found


def persons_only_in(organisations: frozenset[UUID]) -> QuerySet[Person, Any]:
    """Ids, as a query, of the persons all of whose memberships, ended ones too, are in these organisations.

    What they did they did for these organisations; for matters that show acts by who did them.
    """
    outside = Membership.objects.exclude(organisation_id__in=organisations)
    inside = Person.objects.filter(memberships__organisation_id__in=organisations)
    return inside.exclude(pk__in=outside.values("person_id")).values("pk")


def holders(permission: str, organisation: UUID | None, now: datetime) -> list[Person]:
    """Persons with an open account whose role in an organisation (``None``: in the whole city) holds a permission.

    For news that goes to whoever is in charge: a role of the whole city does not count for each organisation in it.
    """
    roles = [key for key, held in Role.objects.values_list("pk", "permissions") if permission in held]
    held = open_at(now).filter(role__in=roles, organisation=organisation)
    return list(Person.objects.filter(is_active=True, pk__in=held.values("person_id")).order_by("pk"))


def get_role(key: str) -> Role:
    """The role of that key.

    Raises:
        NotFound: there is none.
    """
    try:
        return Role.objects.get(pk=key)
    except Role.DoesNotExist:
        raise NotFound(f"There is no role {key!r}.") from None


def count_administrators(now: datetime) -> int:
    """Persons who administer the city at an instant and can sign in from anywhere: demo accounts do not count."""
    return sum(not is_demo for is_demo in administrators(now).values())


def administrators(now: datetime, *, without: Collection[UUID] = ()) -> dict[UUID, bool]:
    """Persons who administer the city at an instant, and whether each is a demo account.

    Args:
        without: memberships that do not count.
    """
    held = open_at(now).filter(role=rules.ADMINISTRATOR, person__is_active=True).exclude(pk__in=without)
    return dict(held.values_list("person_id", "person__is_demo"))


def not_ended(now: datetime) -> QuerySet[Membership]:
    """Memberships that hold at an instant or will hold."""
    return Membership.objects.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=now))


def visible_memberships(who: Who, now: datetime, permission: str = VIEW) -> QuerySet[Membership]:
    """The memberships not ended that the asker may know of: their own, and those their permission reaches."""
    scope = who.scope(permission)
    held = not_ended(now).select_related("role", "organisation").order_by("valid_from", "pk")
    if scope.everything:
        return held
    return held.filter(Q(organisation__in=scope.organisations) | Q(person_id=_self(who), person_id__isnull=False))


def visible_to(who: Who, now: datetime) -> QuerySet[Person]:
    """The persons that the asker may know of: all, or those with a role in their organisations, and themselves."""
    there = Person.objects.filter(erased_at__isnull=True)
    if who.scope(VIEW).everything:
        return there
    theirs = visible_memberships(who, now).order_by().values("person_id")
    return there.filter(Q(pk__in=theirs) | Q(pk=_self(who), pk__isnull=False))


def _self(who: Who) -> UUID | None:
    """The person that asks in person: a token does not see its owner by being theirs."""
    return who.id if who.kind == "person" else None


def get_person(key: UUID, *, who: Who, now: datetime) -> Person:
    """One person, with ``shown_memberships``: those not ended that the asker may know of.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    if _self(who) != key:
        who.require(VIEW)
    shown = Prefetch("memberships", visible_memberships(who, now), to_attr="shown_memberships")
    found = visible_to(who, now).prefetch_related(shown).filter(pk=key).first()  # type: ignore[no-redef]
    if found is None:
        raise NotFound(_("There is no such person."), fix=_("Look them up in the list of people."))
    return found


def memberships_of(person: Person, *, who: Who, now: datetime, permission: str = VIEW) -> list[Membership]:
    """A person's memberships not ended that the asker may know of."""
    return list(visible_memberships(who, now, permission).filter(person=person))


def get_membership(key: UUID, *, person: Person, who: Who, now: datetime) -> Membership:
    """One of a person's memberships.

    Raises:
        NotFound: there is none that has not ended, or none that the asker may know of.
    """
    found = visible_memberships(who, now).filter(pk=key, person=person).first()
    if found is None:
        raise NotFound(_("This person holds no such role."))
    return found


def find_membership(
    person: Person, role: str, organisation: Organisation | None, *, who: Who, now: datetime
) -> Membership | None:
    """The person's membership of that role and organisation (``None``: the whole city) that has not ended."""
    return visible_memberships(who, now).filter(person=person, role=role, organisation=organisation).first()


def invitation_link(person: Person, *, address: str) -> str:
    """The link by which an invited person chooses a password: signed, good once and until it is too old."""
    key = _signer.sign_object([str(person.pk), str(person.invitation)])
    return address.rstrip("/") + reverse("account_invitation", args=[key])


def city_address(fallback: str) -> str:
    """Where people reach the city: by the settings, else ``fallback``."""
    return get_settings().public_url or fallback


def get_invited(key: str, *, now: datetime) -> Person:
    """The person whom a link of invitation is for.

    Raises:
        NotFound: nobody signed it, it was used or replaced, or it is too old.
    """
    try:
        person, invitation = (UUID(part) for part in _signer.unsign_object(key))
    except (BadSignature, ValueError, TypeError):
        person = invitation = None  # type: ignore[assignment]
    oldest = now - timedelta(days=INVITATION_DAYS)
    found = Person.objects.filter(
        pk=person, invitation=invitation, invitation__isnull=False, invited_at__gt=oldest, is_active=True
    ).first()
    if found is None:
        raise NotFound(_("This link is not valid any more."), fix=_("Ask whoever invited you to send a new one."))
    return found


def list_roles(*, retired: bool = False) -> list[Role]:
    """Roles by key; which there are and what they hold is known to whoever is signed in.

    Args:
        retired: those that are given to nobody any more too.
    """
    found = Role.objects.order_by("key")
    return list(found if retired else found.filter(retired_at__isnull=True))


def roles_wanting_second_factor(person: Person, now: datetime) -> list[Role]:
    """Roles of a person that need a second factor, by key."""
    held = open_at(now).filter(person=person).values("role")
    return list(Role.objects.filter(pk__in=held, needs_second_factor=True).order_by("key"))


def people_by_role(who: Who, now: datetime) -> dict[str, int]:
    """How many persons hold each role, as far as the asker may know."""
    held = visible_memberships(who, now).order_by()
    return dict(held.values_list("role_id").annotate(n=Count("person", distinct=True)))


def has_second_factor(person: Person) -> bool:
    """Whether signing in as the person takes more than a password or a code from a mail."""
    return bool(_factors().filter(user_id=person.pk).exists())


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey in a person's list; ``alone`` where it signs in without a password."""

    id: int
    name: str
    alone: bool
    added_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """What a person set up: an authenticator ``app``, ``passkeys``, ``recovery`` codes."""

    app: bool
    recovery: bool
    passkeys: tuple[Passkey, ...]

    def __bool__(self) -> bool:
        return self.app or bool(self.passkeys)


def second_factors_of(person: Person) -> SecondFactors:
    """A person's second factors, passkeys in the order in which they were added; one query."""
    held = list(Authenticator.objects.filter(user_id=person.pk).order_by("created_at", "pk"))
    kinds = {one.type for one in held}
    return SecondFactors(
        app=Authenticator.Type.TOTP in kinds,
        recovery=Authenticator.Type.RECOVERY_CODES in kinds,
        passkeys=tuple(
            Passkey(one.pk, wrapped.name, bool(wrapped.is_passwordless), one.created_at, one.last_used_at)
            for one in held
            if one.type == Authenticator.Type.WEBAUTHN
            for wrapped in (one.wrap(),)
        ),
    )


def has_outside_account(person: Person) -> bool:
    """Whether an account of the city's own sign-in service is joined to this person's."""
    return bool(SocialAccount.objects.filter(user_id=person.pk).exists())


def person_of_phone(number: str) -> Person | None:
    """Whom a telephone number signs in, as E.164; for the sign-in page alone, which tells nobody."""
    return Person.objects.filter(phone=number, is_active=True).first()


def own_sessions(who: Who) -> QuerySet[SignIn]:
    """One's own sessions; nobody's for who is no person."""
    own = _self(who)
    return SignIn.objects.filter(person_id=own) if own is not None else SignIn.objects.none()


def sessions_of(who: Who, now: datetime) -> list[SignIn]:
    """One's own sessions under way, the one used last first."""
    alive = Session.objects.filter(expire_date__gt=now).values("session_key")
    return list(own_sessions(who).filter(session_key__in=alive).order_by("-last_seen_at"))


def people_by_organisation(who: Who, now: datetime) -> dict[UUID, int]:
    """How many persons hold a role in each organisation, as far as the asker may know."""
    held = visible_memberships(who, now).order_by().filter(organisation__isnull=False)
    return dict(held.values_list("organisation_id").annotate(n=Count("person", distinct=True)))


def who_of_token(secret: str, address: str, now: datetime) -> Who:
    """The asker that a token makes, ``ANONYMOUS`` where it is not good; two queries at most. A refusal is logged.

    A person's token reaches what it is for and what its person still holds; an organisation's reaches its rows.

    Args:
        address: where from, as of ``rules.remote_address``.
    """
    held = Token.objects.select_related("person").filter(sha256=secret_hash(secret)).first()
    if held is None:
        why = "unknown"
    elif held.revoked_at is not None:
        why = "revoked"
    elif held.expires_at <= now:
        why = "expired"
    elif held.person is not None and not rules.may_use(held.person, address):
        why = "account"
    else:
        unscoped = unscoped_permissions()
        if held.person is not None:
            grants = rules.grants_of_token(
                who_of(held.person, now).grants, held.permissions, frozenset(map(UUID, held.organisations)), unscoped
            )
        else:
            grants = rules.grants_of([(held.organisation_id, held.permissions)], unscoped=unscoped)
        if held.last_used_at is None or (now - held.last_used_at).total_seconds() >= rules.SEEN_EVERY:
            Token.objects.filter(pk=held.pk).update(last_used_at=now)
        return Who("token", held.name, held.person_id or held.pk, grants)
    log.warning("token.refused", why=why, id=str(held.pk) if held is not None else None, address=address)
    return ANONYMOUS


def visible_tokens(who: Who) -> QuerySet[Token]:
    """One's own tokens, and those of organisations whose people one may manage."""
    scope, tokens = who.scope("people.manage"), Token.objects.select_related("organisation")
    of_organisations = Q(organisation__isnull=False) if scope.everything else Q(organisation__in=scope.organisations)
    return tokens.filter(of_organisations | Q(person_id=_self(who), person_id__isnull=False))


def list_tokens(*, who: Who, organisation: Organisation | None = None, own: bool = False) -> list[Token]:
    """Tokens that the asker may end, the newest first; revoked ones are gone from it.

    Args:
        organisation: only that one's; ``own``: only the asker's.
    """
    found = visible_tokens(who).filter(revoked_at__isnull=True).order_by("-made_at", "pk")
    if organisation is not None:
        found = found.filter(organisation=organisation)
    return list(found.filter(person__isnull=False) if own else found)


def get_token(key: UUID, *, who: Who) -> Token:
    """One token.

    Raises:
        NotFound: there is none, or none that the asker may know of.
    """
    found = visible_tokens(who).filter(pk=key).first()
    if found is None:
        raise NotFound(_("There is no such token."))
    return found


def find_erasure(person: Person) -> ErasureRequest | None:
    """The person's request for erasure that is neither done nor cancelled."""
    return ErasureRequest.objects.filter(person=person, cancelled_at__isnull=True, done_at__isnull=True).first()


def export_of(person: UUID) -> dict[str, list[dict[str, Any]]]:
    """What people know of a person, for their own copy; nothing of it is a secret that lets somebody in."""
    held = Person.objects.filter(pk=person)
    columns: dict[str, tuple[QuerySet[Any], str]] = {
        "account": (held, "id email phone name language is_active is_demo joined_at last_login invited_at"),
        "memberships": (Membership.objects.filter(person=person), "role_id organisation__code valid_from valid_to"),
        "sign_ins": (SignIn.objects.filter(person=person), "began_at last_seen_at address agent"),
        "tokens": (
            Token.objects.filter(person=person),
            "name permissions organisations made_at expires_at last_used_at revoked_at",
        ),
        "second_factors": (Authenticator.objects.filter(user_id=person), "type created_at last_used_at"),
        "email_addresses": (EmailAddress.objects.filter(user_id=person), "email verified primary"),
        "outside_accounts": (SocialAccount.objects.filter(user_id=person), "provider uid date_joined last_login"),
        "erasure_requests": (ErasureRequest.objects.filter(person=person), "asked_at due_at cancelled_at done_at"),
    }
    return {
        name: [{key: _json(value) for key, value in row.items()} for row in rows.order_by("pk").values(*fields.split())]
        for name, (rows, fields) in columns.items()
    }


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value


def status() -> dict[str, int]:
    """What ``qala status`` tells of this matter."""
    return {"people": Person.objects.filter(is_active=True).count(), "organisations": Organisation.objects.count()}


# they are declared over the reads above
from .lists import ORGANISATIONS as ORGANISATIONS  # noqa: E402
from .lists import PEOPLE as PEOPLE  # noqa: E402
from .lists import ROLES as ROLES  # noqa: E402
from .lists import TOKENS as TOKENS  # noqa: E402
from .sessions import count_old_sign_ins as count_old_sign_ins  # noqa: E402
from .sessions import old_sign_ins as old_sign_ins  # noqa: E402
