"""Roles: the default ones, and what a city makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit, plug
from qala.kernel.access import Who
from qala.kernel.errors import Conflict

from .. import rules
from ..models import Membership, Role
from .checks import refuse, require_everywhere, require_no_more
from .memberships import end_all


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


@transaction.atomic
def create_role(
    *,
    who: Who,
    now: datetime,
    key: str,
    permissions: Iterable[str],
    title_kk: str = "",
    title_ru: str = "",
    title_en: str = "",
    needs_second_factor: bool = False,
    why: str = "",
) -> Role:
    """A role of the city's own; a copy is made by handing in what another one holds.

    Args:
        key: its short name in files and commands: letters, digits, ``-`` and ``_``, 50 at most; it stays.
        title_kk, title_ru, title_en: what it is called, in one language at least.
        needs_second_factor: who holds it and has none gets nothing by any role until they set one up.

    Raises:
        BadInput: key, titles or permissions cannot be; every fault is named.
        Conflict: there is a role of that key, or was.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere, or does not hold what the role would.
    """
    require_everywhere(who)
    wanted = sorted(set(permissions))
    titles = {"title_kk": title_kk.strip(), "title_ru": title_ru.strip(), "title_en": title_en.strip()}
    faults = []
    try:
        validate_slug(key)
    except ValidationError:
        faults.append(_("The key {key!r} may hold Latin letters, digits, - and _ only.").format(key=key))
    if len(key) > 50:
        faults.append(_("A key has 50 characters at most."))
    refuse([*faults, *_faults_of(titles, wanted)])
    require_no_more(who, Role(key=key, permissions=wanted), None)
    if key in DEFAULT_ROLES or Role.objects.filter(pk=key).exists():
        raise Conflict(_("There is a role with the key {key}, or was.").format(key=key))
    role = Role.objects.create(key=key, permissions=wanted, needs_second_factor=needs_second_factor, **titles)
    audit.record(
        who=who, now=now, verb="people.create_role", thing="role", key=key,
        after={"permissions": wanted, "needs_second_factor": needs_second_factor, **titles}, why=why,
    )  # fmt: skip
    return role


@transaction.atomic
def change_role(
    *,
    who: Who,
    now: datetime,
    role: Role,
    permissions: Iterable[str] | None = None,
    title_kk: str | None = None,
    title_ru: str | None = None,
    title_en: str | None = None,
    needs_second_factor: bool | None = None,
    why: str = "",
) -> None:
    """Set what a role holds, is called and needs; ``None`` stays as it is. Holders have it from their next request on.

    Nobody adds to a role what they do not hold everywhere themselves, nor renames one or takes its need of a second
    factor away that holds more than they do.

    Raises:
        BadInput: a permission is not declared, or no title is left.
        Conflict: it is retired; or it is the administrator's, which holds everything, always.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere, or holds less than the change takes.
    """
    require_everywhere(who)
    held = Role.objects.select_for_update().get(pk=role.pk)
    if held.retired_at is not None:
        raise Conflict(_("The role {role} is retired.").format(role=held.title))
    after: dict[str, Any] = {
        "title_kk": title_kk if title_kk is None else title_kk.strip(),
        "title_ru": title_ru if title_ru is None else title_ru.strip(),
        "title_en": title_en if title_en is None else title_en.strip(),
        "permissions": None if permissions is None else sorted(set(permissions)),
        "needs_second_factor": needs_second_factor,
    }
    after = {name: value for name, value in after.items() if value is not None and value != getattr(held, name)}
    titles = {name: after.get(name, getattr(held, name)) for name in ("title_kk", "title_ru", "title_en")}
    refuse(_faults_of(titles, after.get("permissions", ())))
    if "permissions" in after and held.key == rules.ADMINISTRATOR:
        raise Conflict(_("The administrator holds every permission, always."))
    added = [one for one in after.get("permissions", ()) if one not in held.permissions]
    require_no_more(who, Role(key=held.key, permissions=added), None)
    if set(after) - {"permissions"}:
        require_no_more(who, held, None)
    if not after:
        return
    before = {name: getattr(held, name) for name in after}
    for name, value in after.items():
        setattr(held, name, value)
    held.save(update_fields=list(after))
    audit.record(
        who=who, now=now, verb="people.change_role", thing="role", key=held.key, before=before, after=after, why=why
    )


@transaction.atomic
def retire_role(*, who: Who, now: datetime, role: Role, why: str = "") -> int:
    """Retire a role of the city's own: who holds it holds it no more, and nobody is given it again.

    Returns:
        How many memberships ended.

    Raises:
        Conflict: it is a default role, or retired already.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere, or does not hold what the role gives.
    """
    require_everywhere(who)
    held = Role.objects.select_for_update().get(pk=role.pk)
    if held.key in DEFAULT_ROLES:
        raise Conflict(
            _("The role {role} comes with Qala and stays.").format(role=held.title),
            fix=_("Take its permissions away, or give it to nobody."),
        )
    if held.retired_at is not None:
        raise Conflict(_("The role {role} is retired.").format(role=held.title))
    require_no_more(who, held, None)
    held.retired_at = now
    held.save(update_fields=["retired_at"])
    ended = end_all(who, now, Membership.objects.filter(role=held), why=why)
    audit.record(
        who=who, now=now, verb="people.retire_role", thing="role", key=held.key, before={"retired_at": None},
        after={"retired_at": now.isoformat(), "memberships_ended": ended}, why=why,
    )  # fmt: skip
    return ended


def _faults_of(titles: Mapping[str, str], permissions: Iterable[str]) -> list[str]:
    unknown = set(permissions) - {one.key for one in plug.declared("permissions")}
    faults = []
    if unknown:
        faults.append(_("There is no permission {permissions}.").format(permissions=", ".join(sorted(unknown))))
    if not any(titles.values()):
        faults.append(_("A role needs a title in one language at least."))
    if any(len(title) > 100 for title in titles.values()):
        faults.append(_("A title has 100 characters at most."))
    return faults


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
