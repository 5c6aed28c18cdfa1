"""People, organisations and roles over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from qala.kernel import personal, plug
from qala.kernel.access import Who
from qala.kernel.clock import SYSTEM_CLOCK
from qala.kernel.errors import BadInput, NotAllowed
from qala.kernel.list_pages import asked_by_api, next_cursor
from qala.kernel.lists import Asked, Look, clean

from . import actions, store
from .models import Membership, Organisation, Person, Role, Token

people = Router(tags=["people"])
organisations = Router(tags=["people"])
roles = Router(tags=["people"])
tokens = Router(tags=["people"])
my_data = Router(tags=["my"])


class MembershipOut(Schema):
    id: UUID
    role: str = Field(description="Key of the role.")
    organisation: str | None = Field(description="Code of the organisation; null: the whole city.")
    valid_from: datetime
    valid_to: datetime | None


class PersonOut(Schema):
    id: UUID
    email: str
    name: str
    state: str = Field(description="`active`, `invited` or `disabled`.")
    language: str
    last_sign_in: datetime | None
    joined_at: datetime
    is_demo: bool
    roles: list[MembershipOut]


class PersonPage(Schema):
    items: list[PersonOut]
    count: int
    more: bool
    next_cursor: str | None


class RoleIn(Schema):
    role: str
    organisation: str | None = Field(None, description="Code of the organisation; null: the whole city.")
    until: datetime | None = Field(None, description="The role ends then; null: without an end.")


class InvitationIn(RoleIn):
    email: str
    name: str
    language: str = ""


class WhyIn(Schema):
    why: str = Field("", max_length=500, description="Kept in the audit log.")


class OrganisationOut(Schema):
    id: UUID
    code: str
    kind: str
    name: str = Field(description="In the language asked for (Accept-Language), else in the next one there is.")
    name_kk: str
    name_ru: str
    name_en: str
    is_demo: bool
    closed_at: datetime | None = Field(description="Since when it is closed; null: it is open.")


class OrganisationList(Schema):
    items: list[OrganisationOut]


class OrganisationChange(Schema):
    kind: str
    name_kk: str = ""
    name_ru: str = ""
    name_en: str = ""


class OrganisationIn(OrganisationChange):
    code: str


class RoleOut(Schema):
    key: str
    title: str = Field(description="In the language asked for (Accept-Language), else in the next one there is.")
    title_kk: str
    title_ru: str
    title_en: str
    permissions: list[str]
    needs_second_factor: bool = Field(description="Who holds it and has none is granted nothing until they have one.")
    retired_at: datetime | None = Field(description="Since when nobody holds it any more; null: it is in use.")


class RoleList(Schema):
    items: list[RoleOut]


class NewRoleIn(WhyIn):
    key: str
    permissions: list[str]
    title_kk: str = ""
    title_ru: str = ""
    title_en: str = ""
    needs_second_factor: bool = False


class RoleChange(WhyIn):
    permissions: list[str] | None = Field(None, description="All that it shall hold; null: they stay.")
    title_kk: str | None = Field(None, description="Null: it stays.")
    title_ru: str | None = Field(None, description="Null: it stays.")
    title_en: str | None = Field(None, description="Null: it stays.")
    needs_second_factor: bool | None = Field(None, description="Null: it stays.")


class TokenOut(Schema):
    id: UUID
    name: str
    organisation: str | None = Field(description="Code of the organisation that owns it; null: the asking person.")
    permissions: list[str]
    made_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class TokenList(Schema):
    items: list[TokenOut]


class TokenIn(Schema):
    name: str
    permissions: list[str]
    days: int = Field(90, description="How long it is good.")
    owner: str | None = Field(None, description="Code of the organisation whose service account it is; null: yours.")
    organisations: list[str] = Field(
        default_factory=list, description="Codes that a token of yours is narrowed to; empty: as far as you reach."
    )


class TokenMade(TokenOut):
    secret: str = Field(description="Shown once; only its hash is kept.")


def _who(request: HttpRequest) -> Who:
    return request.who  # type: ignore[attr-defined,no-any-return]


def _address(request: HttpRequest) -> str:
    return store.city_address(request.build_absolute_uri("/"))


def _person(person: Person, held: list[Membership]) -> dict[str, Any]:
    return {
        "id": person.pk, "email": person.email, "name": person.name, "state": person.state, "language": person.language,
        "last_sign_in": person.last_login, "joined_at": person.joined_at, "is_demo": person.is_demo,
        "roles": [
            {
                "id": one.pk, "role": one.role_id, "organisation": one.organisation.code if one.organisation else None,
                "valid_from": one.valid_from, "valid_to": one.valid_to,
            }
            for one in held
        ],
    }  # fmt: skip


def _again(person: Person, who: Who) -> dict[str, Any]:
    """The person after a change, as the asker may see them now."""
    person.refresh_from_db()
    return _person(person, store.memberships_of(person, who=who, now=SYSTEM_CLOCK.now()))


def _where(asked: RoleIn) -> dict[str, Any]:
    if asked.until is not None and asked.until.tzinfo is None:
        raise BadInput(f"The time {asked.until.isoformat()} has no offset.", fix="Add Z or an offset such as +05:00.")
    organisation = store.get_organisation(asked.organisation) if asked.organisation is not None else None
    return {"role": asked.role, "organisation": organisation, "valid_to": asked.until}


@people.get("", response=PersonPage, summary="Persons that you may see, by name")
def list_people(
    request: HttpRequest,
    query: Annotated[str, Query(description="Pieces of name or e-mail address.")] = "",
    organisation: Annotated[str, Query(description="Code of an organisation.")] = "",
    role: Annotated[str, Query(description="Key of a role.")] = "",
    state: Annotated[str, Query(description="`active`, `invited` or `disabled`.")] = "",
    sort: Annotated[
        str, Query(description="`name`, `email` or `last_sign_in`; `-` before it: the other way round.")
    ] = "name",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, object]:
    """Only those with a role in an organisation that your `people.view` reaches, and yourself.

    `count` is counted to 10,000; where there are more, `more` says so.
    """
    values = {"organisation": organisation, "role": role, "state": state}
    asked = asked_by_api(query=query, values=values, sort=sort, cursor=cursor, limit=limit)
    found = store.PEOPLE.page(asked, Look(_who(request), SYSTEM_CLOCK.now()))
    items = [_person(row, row.shown_memberships) for row in found.rows]
    return {"items": items, "count": found.total, "more": found.more, "next_cursor": next_cursor(found)}


@people.post("", response={201: PersonOut}, summary="Invite a person by e-mail")
def invite(request: HttpRequest, asked: InvitationIn) -> Status[Any]:
    """Gives a role; whoever has no account yet gets one, and a mail with a link to choose a password by."""
    who = _who(request)
    person = actions.invite(
        who=who, now=SYSTEM_CLOCK.now(), address=_address(request), email=asked.email, name=asked.name,
        language=asked.language, **_where(asked),
    )  # fmt: skip
    return Status(201, _again(person, who))


@people.get("/{uuid:person}", response=PersonOut, summary="One person")
def get_person(request: HttpRequest, person: UUID) -> dict[str, Any]:
    found = store.get_person(person, who=_who(request), now=SYSTEM_CLOCK.now())
    return _person(found, found.shown_memberships)


@people.post("/{uuid:person}/erase", response={204: None}, summary="Erase a person; it can't be undone")
def erase(request: HttpRequest, person: UUID, asked: WhyIn) -> Status[None]:
    """Name, address, sign-in and keys go, numbers stay; `why` must say something."""
    who, now = request.who, SYSTEM_CLOCK.now()  # type: ignore[attr-defined]
    actions.erase_person(who=who, now=now, person=store.get_person(person, who=who, now=now), why=asked.why)
    return Status(204, None)


@my_data.get("", response=dict[str, list[dict[str, Any]]], summary="All that is known about you, by table")
def own_copy(request: HttpRequest) -> dict[str, list[dict[str, Any]]]:
    """Of the person who is signed in; a token has none."""
    who = request.who  # type: ignore[attr-defined]
    if who.kind != "person":
        raise NotAllowed("Everybody asks for themselves.")
    return {name: rows for _title, tables in personal.gather(who.id) for name, rows in tables.items()}


@people.post("/{uuid:person}/disable", response=PersonOut, summary="Close an account; its sessions end at once")
def disable(request: HttpRequest, person: UUID, asked: WhyIn) -> dict[str, Any]:
    who, now = _who(request), SYSTEM_CLOCK.now()
    found = store.get_person(person, who=who, now=now)
    actions.disable_person(who=who, now=now, person=found, why=asked.why)
    return _again(found, who)


@people.post("/{uuid:person}/enable", response=PersonOut, summary="Open a closed account again")
def enable(request: HttpRequest, person: UUID) -> dict[str, Any]:
    who, now = _who(request), SYSTEM_CLOCK.now()
    found = store.get_person(person, who=who, now=now)
    actions.enable_person(who=who, now=now, person=found)
    return _again(found, who)


@people.post("/{uuid:person}/reset-second-factor", response=PersonOut, summary="Take a lost second factor away")
def reset_second_factor(request: HttpRequest, person: UUID, asked: WhyIn) -> dict[str, Any]:
    """The person signs in without it and sets up another; their sessions end."""
    who, now = _who(request), SYSTEM_CLOCK.now()
    found = store.get_person(person, who=who, now=now)
    actions.reset_second_factor(who=who, now=now, person=found, why=asked.why)
    return _again(found, who)


@people.post("/{uuid:person}/invite-again", response=PersonOut, summary="Send a new link of invitation")
def invite_again(request: HttpRequest, person: UUID) -> dict[str, Any]:
    """The link sent before is good no more."""
    who, now = _who(request), SYSTEM_CLOCK.now()
    found = store.get_person(person, who=who, now=now)
    actions.invite_again(who=who, now=now, address=_address(request), person=found)
    return _again(found, who)


@people.post("/{uuid:person}/roles", response=PersonOut, summary="Give a person a role")
def give_role(request: HttpRequest, person: UUID, asked: RoleIn) -> dict[str, Any]:
    who, now = _who(request), SYSTEM_CLOCK.now()
    found = store.get_person(person, who=who, now=now)
    actions.join(who=who, now=now, person=found, **_where(asked))
    return _again(found, who)


@people.delete("/{uuid:person}/roles/{uuid:membership}", response={204: None}, summary="End a person's role")
def end_role(request: HttpRequest, person: UUID, membership: UUID) -> Status[None]:
    who, now = _who(request), SYSTEM_CLOCK.now()
    found = store.get_person(person, who=who, now=now)
    held = store.get_membership(membership, person=found, who=who, now=now)
    actions.end_membership(who=who, now=now, membership=held)
    return Status(204, None)


def _organisation(one: Organisation) -> dict[str, Any]:
    return {
        "id": one.pk, "code": one.code, "kind": one.kind, "name": one.name, "name_kk": one.name_kk,
        "name_ru": one.name_ru, "name_en": one.name_en, "is_demo": one.is_demo, "closed_at": one.closed_at,
    }  # fmt: skip


@organisations.get("", response=OrganisationList, summary="All organisations, by code")
def list_organisations(request: HttpRequest, query: str = "", kind: str = "") -> dict[str, Any]:
    asked = Asked(clean(query), {"kind": clean(kind)})
    found = store.ORGANISATIONS.every(asked, Look(_who(request), SYSTEM_CLOCK.now()))
    return {"items": [_organisation(one.organisation) for one in found]}


@organisations.post("", response={201: OrganisationOut}, summary="Add an organisation")
def create_organisation(request: HttpRequest, asked: OrganisationIn) -> Status[Any]:
    made = actions.create_organisation(who=_who(request), now=SYSTEM_CLOCK.now(), **asked.dict())
    return Status(201, _organisation(made))


@organisations.put("/{slug:code}", response=OrganisationOut, summary="Set kind and names of an organisation")
def change_organisation(request: HttpRequest, code: str, asked: OrganisationChange) -> dict[str, Any]:
    found = store.get_organisation(code)
    actions.change_organisation(who=_who(request), now=SYSTEM_CLOCK.now(), organisation=found, **asked.dict())
    return _organisation(found)


@organisations.post("/{slug:code}/close", response=OrganisationOut, summary="Close an organisation")
def close_organisation(request: HttpRequest, code: str, asked: WhyIn) -> dict[str, Any]:
    """The roles in it and its API tokens end; what it owns stays."""
    found = store.get_organisation(code)
    actions.close_organisation(who=_who(request), now=SYSTEM_CLOCK.now(), organisation=found, why=asked.why)
    return _organisation(found)


@organisations.post("/{slug:code}/reopen", response=OrganisationOut, summary="Open a closed organisation again")
def reopen_organisation(request: HttpRequest, code: str, asked: WhyIn) -> dict[str, Any]:
    """Roles and tokens that ended with it do not come back by themselves."""
    found = store.get_organisation(code)
    actions.reopen_organisation(who=_who(request), now=SYSTEM_CLOCK.now(), organisation=found, why=asked.why)
    return _organisation(found)


def _role(one: Role) -> dict[str, Any]:
    declared = {permission.key for permission in plug.declared("permissions")}
    return {
        "key": one.key, "title": one.title, "title_kk": one.title_kk, "title_ru": one.title_ru,
        "title_en": one.title_en, "permissions": [key for key in one.permissions if key in declared],
        "needs_second_factor": one.needs_second_factor, "retired_at": one.retired_at,
    }  # fmt: skip


@roles.get("", response=RoleList, summary="Roles and what they hold")
def list_roles(
    request: HttpRequest,
    query: str = "",
    permission: Annotated[str, Query(description="Only roles that hold this permission.")] = "",
    retired: Annotated[bool, Query(description="Also those that nobody holds any more.")] = False,
) -> dict[str, Any]:
    asked = Asked(clean(query), {"permission": clean(permission), "state": "" if retired else "used"})
    found = store.ROLES.every(asked, Look(_who(request), SYSTEM_CLOCK.now()))
    return {"items": [_role(one.role) for one in found]}


@roles.post("", response={201: RoleOut}, summary="Add a role of the city's own")
def create_role(request: HttpRequest, asked: NewRoleIn) -> Status[Any]:
    """Nobody puts into it what they do not hold in the whole city themselves."""
    return Status(201, _role(actions.create_role(who=_who(request), now=SYSTEM_CLOCK.now(), **asked.dict())))


@roles.put("/{slug:key}", response=RoleOut, summary="Change what a role holds, is called and needs")
def change_role(request: HttpRequest, key: str, asked: RoleChange) -> dict[str, Any]:
    """What is not given stays; of permissions, what is not named among them is taken away."""
    who, found = _who(request), store.get_role(key)
    actions.change_role(who=who, now=SYSTEM_CLOCK.now(), role=found, **asked.dict())
    return _role(store.get_role(key))


@roles.post("/{slug:key}/retire", response=RoleOut, summary="Retire a role of the city's own")
def retire_role(request: HttpRequest, key: str, asked: WhyIn) -> dict[str, Any]:
    """Whoever holds it holds it no more, and nobody is given it again."""
    actions.retire_role(who=_who(request), now=SYSTEM_CLOCK.now(), role=store.get_role(key), why=asked.why)
    return _role(store.get_role(key))


def _token(one: Token) -> dict[str, Any]:
    return {
        "id": one.pk, "name": one.name, "organisation": one.organisation.code if one.organisation else None,
        "permissions": one.permissions, "made_at": one.made_at, "expires_at": one.expires_at,
        "last_used_at": one.last_used_at,
    }  # fmt: skip


@tokens.get("", response=TokenList, summary="Your tokens, and those of organisations whose people you manage")
def list_tokens(request: HttpRequest) -> dict[str, Any]:
    return {"items": [_token(one) for one in store.list_tokens(who=_who(request))]}


@tokens.post("", response={201: TokenMade}, summary="Make a token; its secret is in this answer alone")
def create_token(request: HttpRequest, asked: TokenIn) -> Status[Any]:
    """Wants a signed-in person: a token makes no tokens."""
    made, secret = actions.create_token(
        who=_who(request), now=SYSTEM_CLOCK.now(), name=asked.name, permissions=asked.permissions, days=asked.days,
        owner=store.get_organisation(asked.owner) if asked.owner is not None else None,
        organisations=[store.get_organisation(code) for code in asked.organisations],
    )  # fmt: skip
    return Status(201, {**_token(made), "secret": secret})


@tokens.delete("/{uuid:token}", response={204: None}, summary="Revoke a token")
def revoke_token(request: HttpRequest, token: UUID) -> Status[None]:
    who = _who(request)
    actions.revoke_token(who=who, now=SYSTEM_CLOCK.now(), token=store.get_token(token, who=who))
    return Status(204, None)
