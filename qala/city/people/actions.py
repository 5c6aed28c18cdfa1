"""Writes of people: each in one transaction with its audit row."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email, validate_slug
from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit, plug
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict, NotAllowed

from . import rules, store
from .models import Membership, Organisation, Person, Role

MANAGE = "people.manage"


@transaction.atomic
def create_first_administrator(*, who: Who, now: datetime, email: str, name: str, password: str) -> Person:
    """The person who may do everything, in a city that has no administrator yet.

    Raises:
        BadInput: the e-mail address, the name or the password cannot be.
        Conflict: there is an administrator, or a person of that address.
        NotFound: the default roles are missing.
    """
    # the lock lets one of two simultaneous first administrators see the other
    Role.objects.select_for_update().filter(pk=rules.ADMINISTRATOR).first()
    if store.count_administrators(now):
        raise Conflict(
            _("This city has an administrator already."),
            fix=_("Ask them to add you; they sign in at /accounts/login/."),
        )
    person = create_person(who=who, now=now, email=email, name=name, password=password)
    join(who=who, now=now, person=person, role=rules.ADMINISTRATOR)
    return person


@transaction.atomic
def create_person(
    *,
    who: Who,
    now: datetime,
    email: str,
    name: str,
    password: str | None = None,
    password_hash: str | None = None,
    language: str = "",
    is_demo: bool = False,
) -> Person:
    """A new person, who may do nothing until they ``join``.

    Args:
        password: checked against the rules for passwords; without one the person signs in by one-time code only.
        password_hash: instead of ``password``, as made by Django's ``make_password``; nothing is checked.

    Raises:
        BadInput: the e-mail address, the name, the language or the password cannot be; every fault is named.
        Conflict: there is a person of that address.
        NotAllowed, SignInNeeded: the asker may not manage people.
    """
    who.require(MANAGE)
    email, name = email.strip().lower(), name.strip()
    person = Person(email=email, name=name, language=language, is_demo=is_demo, joined_at=now)
    faults = []
    try:
        validate_email(email)
    except ValidationError:
        faults.append(_("The e-mail address {email!r} is not one.").format(email=email))
    if not name or len(name) > 200:
        faults.append(_("A name has 1 to 200 characters."))
    if language not in ("", *rules.LANGUAGES):
        faults.append(_language_fault(language))
    if password is not None:
        faults += _password_faults(password, person)
    if faults:
        raise BadInput(" ".join(faults), rows=faults if len(faults) > 1 else ())
    if Person.objects.filter(email=email).exists():
        raise Conflict(_("There is a person with the e-mail address {email}.").format(email=email))
    person.password = password_hash if password_hash is not None else make_password(password)
    person.save(force_insert=True)
    # no name and no address: the audit stays for ever, and erasing the person must leave nobody's data behind
    after = {"language": language, "is_demo": is_demo, "has_password": person.has_usable_password()}
    audit.record(who=who, now=now, verb="people.create_person", thing="person", key=person.pk, after=after)
    return person


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
    _require_everywhere(who)
    names = {"name_kk": name_kk.strip(), "name_ru": name_ru.strip(), "name_en": name_en.strip()}
    kinds = [key for key, _title in Organisation.KINDS]
    faults = []
    try:
        validate_slug(code)
    except ValidationError:
        faults.append(_("The code {code!r} may hold Latin letters, digits, - and _ only.").format(code=code))
    if len(code) > 50:
        faults.append(_("A code has 50 characters at most."))
    if kind not in kinds:
        faults.append(
            _("{kind!r} is no kind of organisation; there are {kinds}.").format(kind=kind, kinds=", ".join(kinds))
        )
    if not any(names.values()):
        faults.append(_("An organisation needs a name in one language at least."))
    if any(len(name) > 200 for name in names.values()):
        faults.append(_("A name has 200 characters at most."))
    if faults:
        raise BadInput(" ".join(faults), rows=faults if len(faults) > 1 else ())
    if Organisation.objects.filter(code=code).exists():
        raise Conflict(_("There is an organisation with the code {code}.").format(code=code))
    organisation = Organisation.objects.create(code=code, kind=kind, is_demo=is_demo, **names)
    audit.record(
        who=who, now=now, verb="people.create_organisation", thing="organisation", key=organisation.pk,
        after={"code": code, "kind": kind, "is_demo": is_demo, **names},
    )  # fmt: skip
    return organisation


@transaction.atomic
def join(
    *,
    who: Who,
    now: datetime,
    person: Person,
    role: str,
    organisation: Organisation | None = None,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
) -> Membership:
    """Give a person a role in an organisation, or in the whole city, from ``valid_from`` (now) until ``valid_to``.

    Nobody gives more than they hold themselves.

    Raises:
        BadInput: it would end before it starts, or make an administrator of one organisation.
        Conflict: the person holds that role there already, without an end.
        NotAllowed, SignInNeeded: the asker may not manage people there, or does not hold what the role gives.
        NotFound: there is no such role.
    """
    where = organisation.pk if organisation is not None else None
    _require_everywhere(who) if organisation is None else who.require(MANAGE, where)
    found = store.get_role(role)
    valid_from = valid_from or now
    if valid_to is not None and valid_to <= valid_from:
        raise BadInput(_("The membership would end before it starts."))
    if role == rules.ADMINISTRATOR and organisation is not None:
        raise BadInput(_("An administrator is one of the whole city, not of one organisation."))
    beyond = rules.beyond(who, found.permissions, organisation=where, unscoped=store.unscoped_permissions())
    if beyond:
        raise NotAllowed(
            _("The role {role} gives what {name} does not hold: {permissions}.").format(
                role=role, name=who.name, permissions=", ".join(beyond)
            )
        )
    if (
        valid_to is None
        and Membership.objects.filter(
            person=person, role=found, organisation=organisation, valid_to__isnull=True
        ).exists()
    ):
        raise Conflict(_("{person} holds the role {role} there already.").format(person=person, role=role))
    membership = Membership.objects.create(
        person=person, role=found, organisation=organisation, valid_from=valid_from, valid_to=valid_to
    )
    after = {
        "person": str(person.pk),
        "role": role,
        "organisation": organisation.code if organisation is not None else None,
        "valid_from": valid_from.isoformat(),
        "valid_to": valid_to.isoformat() if valid_to is not None else None,
    }
    audit.record(who=who, now=now, verb="people.join", thing="membership", key=membership.pk, after=after)
    return membership


@transaction.atomic
def set_language(*, who: Who, now: datetime, person: Person, language: str) -> None:
    """Choose the language in which a person reads pages and mails; ``""`` leaves it to the city's.

    Raises:
        BadInput: Qala does not speak it.
        NotAllowed, SignInNeeded: it is not the asker's own choice and they may not manage people.
    """
    if who.id is None or who.id != person.pk:
        _require_everywhere(who)
    if language not in ("", *rules.LANGUAGES):
        raise BadInput(_language_fault(language))
    before = person.language
    if before == language:
        return
    person.language = language
    person.save(update_fields=["language"])
    audit.record(
        who=who, now=now, verb="people.set_language", thing="person", key=person.pk,
        before={"language": before}, after={"language": language},
    )  # fmt: skip


@transaction.atomic
def set_password(*, who: Who, now: datetime, person: Person, password: str) -> None:
    """Set a password that was checked before; all sessions of the person end but the one that did it.

    Raises:
        BadInput: the rules for passwords refuse it.
        NotAllowed, SignInNeeded: it is not the asker's own and they may not manage people.
    """
    if who.id is None or who.id != person.pk:
        _require_everywhere(who)
    faults = _password_faults(password, person)
    if faults:
        raise BadInput(" ".join(faults), rows=faults if len(faults) > 1 else ())
    person.set_password(password)
    person.save(update_fields=["password"])
    audit.record(who=who, now=now, verb="people.set_password", thing="person", key=person.pk)


@transaction.atomic
def prepare_roles(*, who: Who, now: datetime) -> list[str]:
    """Create the missing default roles and give each what a plug newly offers it; repeating it changes nothing.

    A permission that was offered before and then taken away is not given back. The administrator holds every
    declared permission, always.

    Returns:
        The keys of the roles that were created or changed.

    Raises:
        LookupError: a plug grants to a role that is no default one, or grants a permission that none declares.
    """
    declared = {one.key for one in plug.declared("permissions")}
    offers: dict[str, set[str]] = {key: set() for key in DEFAULT_ROLES}
    for one in plug.plugs():
        for key, granted in one.grants.items():
            if key not in offers or not declared.issuperset(granted):
                raise LookupError(f"grants of {granted} to the role {key!r}: no such role or permission")
            offers[key].update(granted)
    existing = Role.objects.select_for_update().in_bulk(list(DEFAULT_ROLES))
    changed = []
    for key, (title_kk, title_ru, title_en) in DEFAULT_ROLES.items():
        role = existing.get(key) or Role(key=key, title_kk=title_kk, title_ru=title_ru, title_en=title_en)
        if key == rules.ADMINISTRATOR:
            permissions, offered = sorted(declared), sorted(declared)
        else:
            permissions, offered = rules.permissions_after_offer(role.permissions, role.offered, offers[key])
        before = role.permissions if key in existing else None
        if before == permissions and role.offered == offered:
            continue
        role.permissions, role.offered = permissions, offered
        role.save(force_insert=key not in existing)
        changed.append(key)
        audit.record(
            who=who, now=now, verb="people.prepare_roles", thing="role", key=key,
            before=None if before is None else {"permissions": before}, after={"permissions": permissions},
        )  # fmt: skip
    return changed


# key: title in Kazakh, Russian, English
DEFAULT_ROLES: dict[str, tuple[str, str, str]] = {
    rules.ADMINISTRATOR: ("Әкімші", "Администратор", "Administrator"),
    "mayor": ("Әкім", "Аким", "Mayor"),
    "analyst": ("Талдаушы", "Аналитик", "Analyst"),
    "manager": ("Басшы", "Руководитель", "Manager"),
    "desk_official": ("Өтініштер маманы", "Специалист по обращениям", "Desk official"),
    "engineer": ("Инженер", "Инженер", "Engineer"),
    "operator": ("Оператор", "Оператор", "Operator"),
    "crew": ("Бригада", "Бригада", "Crew"),
    "inspector": ("Инспектор", "Инспектор", "Inspector"),
    "pilot": ("Дрон ұшқышы", "Пилот дрона", "Drone pilot"),
    "reviewer": ("Сарапшы", "Эксперт", "Reviewer"),
    "innovator": ("Инноватор", "Инноватор", "Innovator"),
    "resident": ("Тұрғын", "Житель", "Resident"),
}


def _require_everywhere(who: Who) -> None:
    if not who.require(MANAGE).everything:
        raise NotAllowed(
            _("{name} may manage people of some organisations only.").format(name=who.name),
            fix=_("Ask an administrator."),
        )


def _password_faults(password: str, person: Person) -> list[str]:
    try:
        validate_password(password, person)
    except ValidationError as error:
        return list(error.messages)
    return []


def _language_fault(language: str) -> str:
    return _("{language!r} is no language of Qala; there are {languages}.").format(
        language=language, languages=", ".join(rules.LANGUAGES)
    )
