"""Roles: the default ones, and what a city makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from qala.kernel import audit, plug
from qala.kernel.access import Who
from qala.kernel.errors import BadInput, Conflict

from .. import rules
from ..models import Role
from .checks import require_everywhere, require_no_more


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
def change_role(*, who: Who, now: datetime, role: Role, permissions: Iterable[str], why: str = "") -> None:
    """Set which permissions a role holds; whoever holds the role has them from their next request on.

    Nobody adds to a role what they do not hold everywhere themselves.

    Raises:
        BadInput: one is no declared permission.
        Conflict: the administrator's role holds everything, always.
        NotAllowed, SignInNeeded: the asker may not manage people everywhere, or does not hold what they add.
    """
    require_everywhere(who)
    wanted = sorted(set(permissions))
    unknown = set(wanted) - {one.key for one in plug.declared("permissions")}
    if unknown:
        raise BadInput(_("There is no permission {permissions}.").format(permissions=", ".join(sorted(unknown))))
    if role.key == rules.ADMINISTRATOR:
        raise Conflict(_("The administrator holds every permission, always."))
    held = Role.objects.select_for_update().get(pk=role.pk)
    added = [one for one in wanted if one not in held.permissions]
    require_no_more(who, Role(key=held.key, permissions=added), None)
    if wanted == held.permissions:
        return
    before, held.permissions = held.permissions, wanted
    held.save(update_fields=["permissions"])
    audit.record(
        who=who, now=now, verb="people.change_role", thing="role", key=held.key,
        before={"permissions": before}, after={"permissions": wanted}, why=why,
    )  # fmt: skip


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
