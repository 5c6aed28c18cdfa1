"""Demo organisations and accounts: invented, marked as such, and good on this very machine only (``rules.may_use``)."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.hashers import make_password

from qala.kernel.access import Who
from qala.kernel.console import Progress

from . import actions
from .models import Organisation, Person

PASSWORD = "qala-demo-2026"  # no secret: shown on the sign-in page of a demo
# code: kind, name in Kazakh, Russian, English
ORGANISATIONS = {
    "demo-water": ("utility", "Су құбыры (демо)", "Водоканал «Су құбыры» (демо)", "Su qubyry water utility (demo)"),
    "demo-power": ("utility", "Ұшқын электр желілері (демо)", "Электросети «Ұшқын» (демо)", "Ushqyn power (demo)"),
    "demo-heat": ("utility", "Ошақ жылу желілері (демо)", "Тепловые сети «Ошақ» (демо)", "Oshaq heat networks (demo)"),
    "demo-city": (
        "department", "Қалалық шаруашылық басқармасы (демо)", "Управление городского хозяйства (демо)",
        "City services department (demo)",
    ),
    "demo-district": ("district_office", "Аудан әкімдігі (демо)", "Акимат района (демо)", "District office (demo)"),
}  # fmt: skip
# e-mail address: name, role, code of the organisation (None: the whole city)
PERSONS: dict[str, tuple[str, str, str | None]] = {
    "administrator@demo.qala": ("Әлия Демо", "administrator", None),
    "engineer.water@demo.qala": ("Болат Демо", "engineer", "demo-water"),
    "engineer.power@demo.qala": ("Дина Демо", "engineer", "demo-power"),
    "engineer.heat@demo.qala": ("Ерлан Демо", "engineer", "demo-heat"),
    "analyst@demo.qala": ("Жанар Демо", "analyst", None),
    "mayor@demo.qala": ("Марат Демо", "mayor", None),
    "resident@demo.qala": ("Алма Демо", "resident", None),
}
# more people of the organisations and residents, so that lists look as they will: name, role, code; they share the password
COLLEAGUES: dict[str, tuple[str, str, str | None]] = {
    "manager.water@demo.qala": ("Сәуле Қасымова (демо)", "manager", "demo-water"),
    "operator.water@demo.qala": ("Игорь Ким (демо)", "operator", "demo-water"),
    "crew.water@demo.qala": ("Нұрлан Бекенов (демо)", "crew", "demo-water"),
    "manager.power@demo.qala": ("Тимур Ахметов (демо)", "manager", "demo-power"),
    "operator.power@demo.qala": ("Светлана Орлова (демо)", "operator", "demo-power"),
    "manager.heat@demo.qala": ("Айжан Серікова (демо)", "manager", "demo-heat"),
    "crew.heat@demo.qala": ("Рустам Юлдашев (демо)", "crew", "demo-heat"),
    "manager.city@demo.qala": ("Ольга Пак (демо)", "manager", "demo-city"),
    "inspector.city@demo.qala": ("Данияр Жұмабаев (демо)", "inspector", "demo-city"),
    "desk.district@demo.qala": ("Гүлнар Әбенова (демо)", "desk_official", "demo-district"),
    "manager.district@demo.qala": ("Виктор Ли (демо)", "manager", "demo-district"),
    "former.resident@demo.qala": ("Сергей Попов (демо)", "resident", None),
    "partner@demo.qala": ("Ермек Тілеу (демо)", "resident", None),
    "neighbour@demo.qala": ("Мадина Оспанова (демо)", "resident", None),
}


def load(*, who: Who, now: datetime, progress: Progress) -> list[dict[str, str]]:
    """Make what is missing of the demo organisations and accounts.

    Returns:
        The accounts to tell of: ``email``, ``password``, ``name``, ``role``, ``organisation`` (code, or empty).
    """
    progress.update(note="demo accounts")
    organisations = {one.code: one for one in Organisation.objects.filter(code__in=ORGANISATIONS)}
    for code, (kind, name_kk, name_ru, name_en) in ORGANISATIONS.items():
        if code not in organisations:
            organisations[code] = actions.create_organisation(
                who=who, now=now, code=code, kind=kind, name_kk=name_kk, name_ru=name_ru, name_en=name_en, is_demo=True
            )
    everybody = {**PERSONS, **COLLEAGUES}
    there = set(Person.objects.filter(email__in=everybody).values_list("email", flat=True))
    password_hash = make_password(PASSWORD) if len(there) < len(everybody) else None
    accounts = []
    for email, (name, role, where) in everybody.items():
        if email not in there:
            person = actions.create_person(
                who=who, now=now, email=email, name=name, password_hash=password_hash, is_demo=True
            )
            organisation = organisations[where] if where is not None else None
            actions.join(who=who, now=now, person=person, role=role, organisation=organisation)
        if email in PERSONS:
            accounts.append(
                {"email": email, "password": PASSWORD, "name": name, "role": role, "organisation": where or ""}
            )
    return accounts
