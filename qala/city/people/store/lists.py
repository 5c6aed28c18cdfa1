"""The lists of people, as they are declared: persons, organisations, roles, tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from qala.kernel import plug
from qala.kernel.lists import Choice, Column, List, Look, Sort, choice, flag, kept

from .. import store
from ..models import IN_STATE, Membership, Organisation, Person, Role, Token
from ..rules import LANGUAGES

PERSON_STATES = {
    Person.ACTIVE: _("active"), Person.INVITED: _("invited"), Person.DISABLED: _("closed account"),
}  # fmt: skip


def _organisations(_look: Look) -> Sequence[Choice]:
    return [Choice(one.code, one.name) for one in store.list_organisations()]


def _roles(_look: Look) -> Sequence[Choice]:
    return [Choice(one.key, one.title) for one in store.list_roles()]


def _persons(look: Look) -> Any:
    look.who.require(store.VIEW)
    return store.visible_to(look.who, look.now)


def _with_memberships(rows: Any, look: Look) -> Any:
    held = store.visible_memberships(look.who, look.now)
    return rows.prefetch_related(Prefetch("memberships", held, to_attr="shown_memberships"))


def _holding(lookup: str) -> Any:
    """Persons with a membership that the asker may know of, in which a field is the value."""

    def narrow(rows: Any, value: str, look: Look) -> Any:
        held = store.visible_memberships(look.who, look.now).order_by().filter(**{lookup: value})
        return rows.filter(pk__in=held.values("person_id"))

    return narrow


def _in_state(rows: Any, value: str, _look: Look) -> Any:
    return rows.filter(IN_STATE[value])


def _told(held: Membership) -> str:
    where = held.organisation.name if held.organisation else _now("the whole city")
    return f"{held.role.title} · {where}"


PEOPLE = List(
    "people",
    _("People"),
    _persons,
    columns=(
        Column("name", pgettext_lazy("person", "Name"), lambda row: row.name,
               link=lambda row: reverse("people:person", args=[row.pk])),
        Column("email", _("E-mail"), lambda row: row.email),
        Column("state", _("State"), lambda row: PERSON_STATES[row.state], cell="people/cells/state.html"),
        Column("roles", _("Roles"), lambda row: "; ".join(map(_told, row.shown_memberships)),
               cell="people/cells/roles.html"),
        Column("last_sign_in", _("Last sign-in"), lambda row: row.last_login, "instant"),
        Column("joined", _("Joined"), lambda row: row.joined_at, "day", shown=False),
        Column("language", _("Language"), lambda row: row.language, shown=False),
        Column("demo", _("Demo"), lambda row: row.is_demo, "flag", shown=False),
        Column("id", _("Id"), lambda row: row.pk, shown=False, mono=True),
    ),
    sorts=(
        Sort("name", "name", "id"),
        Sort("email", "email"),
        Sort("last_sign_in", "last_login", "id", nullable=True),
    ),
    filters=(
        choice("organisation", _("Organisation"), _organisations, _holding("organisation__code")),
        choice("role", _("Role"), _roles, _holding("role")),
        choice("state", _("State"), lambda _look: [Choice(key, title) for key, title in PERSON_STATES.items()], _in_state),
        choice("language", _("Language"), lambda _look: [Choice(one, one) for one in LANGUAGES]),
    ),
    searched="person",
    dressed=_with_memberships,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownOrganisation:
    """An organisation in the list of them; ``people`` who hold a role there, ``None`` where the asker may not know."""

    organisation: Organisation
    people: int | None


def _shown_organisations(look: Look) -> list[ShownOrganisation]:
    who = look.who
    counts: dict[UUID, int] = store.people_by_organisation(who, look.now) if who.may(store.VIEW) else {}
    return [
        ShownOrganisation(one, counts.get(one.pk, 0) if who.may(store.VIEW, one.pk) else None)
        for one in store.list_organisations()
    ]


ORGANISATION_STATES = {"open": _("open"), "closed": _("closed organisation")}


def _organisation_state(row: ShownOrganisation) -> str:
    return "open" if row.organisation.closed_at is None else "closed"


ORGANISATIONS = List(
    "organisations",
    _("Organisations"),
    _shown_organisations,
    columns=(
        Column("name", _("Name"), lambda row: row.organisation.name,
               link=lambda row: reverse("people:organisation", args=[row.organisation.code])),
        Column("kind", _("Kind"), lambda row: row.organisation.get_kind_display()),
        Column("code", _("Code"), lambda row: row.organisation.code, mono=True),
        Column("people", _("People"), lambda row: row.people, "number",
               link=lambda row: "" if row.people is None else f"{reverse('people:list')}?organisation={row.organisation.code}"),
        Column("state", _("State"), lambda row: ORGANISATION_STATES[_organisation_state(row)]),
        Column("name_kk", _("Name in Kazakh"), lambda row: row.organisation.name_kk, shown=False),
        Column("name_ru", _("Name in Russian"), lambda row: row.organisation.name_ru, shown=False),
        Column("name_en", _("Name in English"), lambda row: row.organisation.name_en, shown=False),
        Column("demo", _("Demo"), lambda row: row.organisation.is_demo, "flag", shown=False),
    ),
    sorts=(
        Sort("code", key=lambda row: row.organisation.code),
        Sort("name", key=lambda row: (row.organisation.name.casefold(), row.organisation.code)),
        Sort("kind", key=lambda row: (row.organisation.kind, row.organisation.code)),
        Sort("people", key=lambda row: row.people),
    ),
    filters=(
        choice("kind", _("Kind"), lambda _look: [Choice(key, title) for key, title in Organisation.KINDS],
               kept(lambda row, value: bool(row.organisation.kind == value))),
        choice("state", _("State"), lambda _look: [Choice(key, title) for key, title in ORGANISATION_STATES.items()],
               kept(lambda row, value: _organisation_state(row) == value)),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownRole:
    """A role in the list of them; ``people`` who hold it, as far as the asker may know, ``None`` where they may not."""

    role: Role
    people: int | None


def _shown_roles(look: Look) -> list[ShownRole]:
    counts = store.people_by_role(look.who, look.now) if look.who.may(store.VIEW) else None
    return [
        ShownRole(one, None if counts is None else counts.get(one.key, 0)) for one in store.list_roles(retired=True)
    ]


def permission_titles(keys: Sequence[str]) -> list[str]:
    """What the permissions of a role or token are called; those that no matter declares any more are left out."""
    titles = {one.key: str(one.title) for one in plug.declared("permissions")}
    return [titles[key] for key in keys if key in titles]


ROLE_STATES = {"used": _("in use"), "retired": _("retired")}


def _role_state(row: ShownRole) -> str:
    return "used" if row.role.retired_at is None else "retired"


ROLES = List(
    "roles",
    _("Roles"),
    _shown_roles,
    columns=(
        Column("role", _("Role"), lambda row: row.role.title,
               link=lambda row: reverse("people:role", args=[row.role.key])),
        Column("key", _("Key"), lambda row: row.role.key, shown=False, mono=True),
        Column("permissions", _("Permissions"), lambda row: " · ".join(permission_titles(row.role.permissions))),
        Column("permission_keys", _("Keys of permissions"), lambda row: " ".join(row.role.permissions), shown=False,
               mono=True),
        Column("second_factor", _("Needs a second factor"), lambda row: row.role.needs_second_factor, "flag"),
        Column("people", _("People"), lambda row: row.people, "number",
               link=lambda row: "" if row.people is None else f"{reverse('people:list')}?role={row.role.key}"),
        Column("state", _("State"), lambda row: ROLE_STATES[_role_state(row)]),
    ),
    sorts=(
        Sort("key", key=lambda row: row.role.key),
        Sort("role", key=lambda row: (row.role.title.casefold(), row.role.key)),
        Sort("people", key=lambda row: row.people),
    ),
    filters=(
        choice("permission", _("Permission"), lambda _look: [Choice(one.key, one.title) for one in plug.declared("permissions")],
               kept(lambda row, value: value in row.role.permissions)),
        choice("state", _("State"), lambda _look: [Choice(key, title) for key, title in ROLE_STATES.items()],
               kept(lambda row, value: _role_state(row) == value)),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownToken:
    """An API token in the list of them, with whether it is still good."""

    token: Token
    state: str


TOKEN_STATES = {"good": _("good"), "expired": _("expired"), "revoked": _("revoked")}


def _state_of(token: Token, now: datetime) -> str:
    return "revoked" if token.revoked_at is not None else "expired" if token.expires_at <= now else "good"


def _shown_tokens(look: Look) -> list[ShownToken]:
    rows = store.visible_tokens(look.who).order_by("-made_at", "pk")
    return [ShownToken(one, _state_of(one, look.now)) for one in rows]


def _organisations_of_tokens(_look: Look) -> Sequence[Choice]:
    return [Choice("-", _("my own")), *_organisations(_look)]


def _owned(row: ShownToken, value: str) -> bool:
    return (row.token.organisation.code if row.token.organisation else "-") == value


TOKENS = List(
    "tokens",
    _("API tokens"),
    _shown_tokens,
    columns=(
        Column("name", _("Name"), lambda row: row.token.name),
        Column("owner", _("Owner"), lambda row: row.token.organisation.name if row.token.organisation else _("my own"),
               link=lambda row: reverse("people:organisation", args=[row.token.organisation.code])
               if row.token.organisation else reverse("people:me")),
        Column("state", _("State"), lambda row: TOKEN_STATES[row.state], cell="people/cells/token_state.html"),
        Column("permissions", _("What it may do"), lambda row: " ".join(row.token.permissions), mono=True),
        Column("expires", _("Good until"), lambda row: row.token.expires_at, "day"),
        Column("last_used", _("Last used"), lambda row: row.token.last_used_at, "instant"),
        Column("made", _("Made"), lambda row: row.token.made_at, "instant", shown=False),
        Column("id", _("Id"), lambda row: row.token.pk, shown=False, mono=True),
    ),
    sorts=(
        Sort("made", key=lambda row: (row.token.made_at, row.token.pk)),
        Sort("name", key=lambda row: (row.token.name.casefold(), row.token.pk)),
        Sort("expires", key=lambda row: (row.token.expires_at, row.token.pk)),
        Sort("last_used", key=lambda row: row.token.last_used_at),
    ),
    order="-made",
    filters=(
        choice("owner", _("Owner"), _organisations_of_tokens, kept(_owned)),
        choice("state", _("State"), lambda _look: [Choice(key, title) for key, title in TOKEN_STATES.items()],
               kept(lambda row, value: bool(row.state == value))),
        flag("unused", _("never used"), kept(lambda row, _value: row.token.last_used_at is None)),
    ),
)  # fmt: skip
