"""100,000 fuzzed requests against a running city: the API by Schemathesis from its own document, then every page.

Four askers: nobody, a manager of one utility by session and by token, and an administrator. Another utility's rows carry
a word that none but the administrator may ever be shown. An answer of 500 or above, a traceback, or that word ends the
run with what was asked.
"""

from __future__ import annotations

import json
import random
import re
import string
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from common import Results, arguments, child, open_city, say, work_folder

from qala.site.testing import RunningCity

CANARY = "CANARY7f3a"
PASSWORD = "a long sentence for hostile requests"
HOSTILE = (
    "", " ", "\x00", "\ud800", "'", '"', "' OR 1=1--", "<script>alert(1)</script>", "{{7*7}}", "%s%s%n", "../../../etc/passwd",
    "=cmd|' /C calc'!A0", "\u202e", "𝕊𝕢𝕝", "Ә" * 300, "9" * 40, "-1", "0", "1e400", "NaN", "Infinity", "null", "[]", "{}",
    "2026-02-30", "2026-05-12T10:00:00", "9999-12-31T23:59:59.999999Z", "0001-01-01", "true", "\r\nX-Injected: 1", "*", "%", "_", "\\",
    "00000000-0000-0000-0000-000000000000", "a" * 5000, CANARY.lower()[:3],
)  # fmt: skip
NAMES = (
    "q", "query", "sort", "after", "before", "from", "to", "days", "day", "at", "columns", "form", "format", "state", "model",
    "owner", "district", "silent", "kind", "page", "limit", "cursor", "code", "serial", "next", "language", "name", "email",
    "password", "role", "organisation", "permissions", "why", "place", "lon", "lat", "file", "do", "serials", "title", "key",
    "person", "verb", "thing", "bounds", "zoom", "layer", "period", "as_of",
)  # fmt: skip


@dataclass
class Asker:
    """Who asks, and what of a request shows it."""

    name: str
    sees_all: bool
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)


def seed(folder: Path) -> None:
    """Two utilities, one of which is the canary; says what the run needs to know, as JSON."""
    open_city(folder)
    from datetime import UTC, datetime

    from django.urls import get_resolver

    from qala.city.devices.actions import Chosen, issue_credentials, load_devices
    from qala.city.people.actions import create_token
    from qala.city.people.public import create_organisation, create_person, join
    from qala.city.people.store import who_of
    from qala.kernel.access import system

    who, now = system("bench"), datetime.now(UTC)
    found: dict[str, Any] = {"canary": [], "own": []}
    for code, word in (("mine", "ours"), ("theirs", CANARY)):
        organisation = create_organisation(who=who, now=now, code=code, kind="utility", name_en=f"Utility {code}")
        mail = f"{word}@city.example"
        person = create_person(who=who, now=now, email=mail, name=f"{word} person", password=PASSWORD)
        join(who=who, now=now, person=person, role="manager", organisation=organisation)
        file = folder / "temp" / f"{code}.csv"
        file.parent.mkdir(exist_ok=True)
        serials = [f"{word}-{number}" for number in range(20)]
        rows = [f"{serial},demo-water-15,{code},{word}-MP{n},{word} street {n}" for n, serial in enumerate(serials)]
        file.write_text("\n".join(["serial,model,owner,meter_point,address", *rows]) + "\n")
        load_devices(path=file, name=f"{word}.csv", who=who, now=now)
        file.unlink()
        issue_credentials(Chosen(owner=code), who=who, now=now)
        token, secret = create_token(
            who=who, now=now, name=f"{word} gateway", permissions=["devices.view"], days=30, owner=organisation
        )  # fmt: skip
        keys = [*serials, str(person.pk), str(token.pk), str(organisation.pk), code, mail]
        found["canary" if word == CANARY else "own"] = keys
        if code == "mine":
            mine = who_of(person, now)
            wide = [key for key in mine.grants if not key.startswith("people.")]
            found["token"] = create_token(who=mine, now=now, name="wide", permissions=wide, days=30)[1]
            found["manager"] = mail
            found["secret"] = secret
    boss = create_person(who=who, now=now, email="boss@city.example", name="Boss", password=PASSWORD)
    join(who=who, now=now, person=boss, role="administrator", organisation=None)
    found["administrator"] = "boss@city.example"
    found["routes"] = sorted(set(_routes(get_resolver().url_patterns)))
    print(json.dumps(found))


def _routes(patterns: Any, prefix: str = "") -> Iterator[str]:
    for one in patterns:
        route = prefix + str(one.pattern)
        if hasattr(one, "url_patterns"):
            yield from _routes(one.url_patterns, route)
        elif not route.startswith("api/"):
            yield route


class Run:
    """Sends requests, looks at each answer, counts."""

    def __init__(self, city: RunningCity, told: dict[str, Any], seed_number: int) -> None:
        import requests

        self.city, self.told = city, told
        self.random = random.Random(seed_number)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.max_redirects = 3
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.faults: list[str] = []
        self.askers = [
            Asker("nobody", sees_all=False),
            Asker("token", sees_all=False, headers={"Authorization": f"Bearer {told['token']}"}),
            Asker("manager", sees_all=False),
            Asker("administrator", sees_all=True),
        ]
        for asker in self.askers[2:]:
            self.sign_in(asker)

    def sign_in(self, asker: Asker) -> None:
        """Sign in anew where the session is over; attempts that the run itself made may have used up the limit."""
        for _attempt in range(40):
            visitor = self.city.visitor()
            answer = visitor.sign_in(self.told[asker.name], PASSWORD)
            asker.cookies = {cookie.name: cookie.value or "" for cookie in visitor.cookies}
            if "sessionid" in asker.cookies and "/accounts/" not in answer.url:
                break
            time.sleep(10)
        else:
            raise SystemExit(f"{asker.name} could not sign in: {answer.status} {answer.text[-1500:]}")
        asker.headers = {"X-CSRFToken": asker.cookies["csrftoken"], "Referer": f"{self.city.address}/console/"}

    def pick(self) -> Asker:
        return self.random.choices(self.askers, weights=(1, 3, 5, 1))[0]

    def look(self, asker: Asker, what: str, status: int, body: str) -> None:
        """Note a server error, a traceback, and the other utility's word where the asker may not see it."""
        self.statuses[status] += 1
        self.counts[asker.name] += 1
        if status >= 500 and status != 503:
            self.faults.append(f"{status} for {asker.name}: {what}\n{body[:600]}")
        elif "Traceback (most recent" in body:
            self.faults.append(f"traceback for {asker.name}: {what}")
        elif not asker.sees_all and CANARY in body and CANARY not in what:
            at = body.index(CANARY)
            self.faults.append(f"leak to {asker.name}: {what}\n…{body[max(0, at - 200) : at + 100]}…")

    def keep_signed_in(self) -> None:
        """Some of the requests end sessions."""
        for asker in self.askers[2:]:
            answer = self.session.get(
                f"{self.city.address}/console/me/", cookies=asker.cookies, timeout=60, allow_redirects=False
            )
            if answer.status_code != 200:
                self.counts[f"{asker.name} signed in again"] += 1
                self.sign_in(asker)


def fuzz_api(run: Run, total: int) -> int:
    """Requests by the API's own document, half of them against it; returns how many were sent."""
    import hypothesis
    import schemathesis
    from hypothesis import HealthCheck, Phase
    from requests.exceptions import RequestException
    from schemathesis.generation.modes import GenerationMode

    schema = schemathesis.openapi.from_url(f"{run.city.address}/api/openapi.json")
    operations = [one.ok() for one in schema.get_all_operations()]
    sent = 0
    share = max(2, total // (2 * len(operations)))
    others = [*run.told["canary"], *run.told["own"]]
    for operation in operations:
        run.keep_signed_in()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @hypothesis.settings(
                max_examples=share, deadline=None, database=None, phases=[Phase.generate], report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @hypothesis.seed(run.random.getrandbits(32))
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def attack(case: Any) -> None:
                nonlocal sent
                asker = run.pick()
                if case.path_parameters and run.random.random() < 0.6:  # keys that are there, own and others'
                    for name in case.path_parameters:
                        case.path_parameters[name] = run.random.choice(others)
                try:
                    answer = case.call(
                        session=run.session, headers=asker.headers, cookies=asker.cookies, timeout=60,
                        base_url=run.city.address,
                    )  # fmt: skip
                except (RequestException, UnicodeError, ValueError):
                    run.counts["not sendable"] += 1
                    return
                sent += 1
                what = f"{case.method} {case.formatted_path} {case.query} {str(case.body)[:300]}"
                run.look(asker, what, answer.status_code, answer.content.decode("utf-8", "replace"))

            try:
                attack()
            except hypothesis.errors.Unsatisfiable:
                run.counts["nothing to break"] += 1
            except Exception as error:  # noqa: BLE001 - the generator's own, told and left
                run.counts[f"generator: {type(error).__name__}"] += 1
        if len(run.faults) > 20:
            break
    return sent


def fuzz_pages(run: Run, total: int) -> int:
    """Every page by GET and POST with hostile keys, parameters and headers; returns how many were sent."""
    from requests.exceptions import RequestException

    routes = [one for one in run.told["routes"] if not re.search(r"logout|sse", one)]
    draw, sent = run.random, 0
    keys = [*run.told["own"], *run.told["canary"]]

    def word() -> str:
        kind = draw.random()
        if kind < 0.5:
            return draw.choice(HOSTILE)
        if kind < 0.75:
            return draw.choice(keys)
        return "".join(draw.choices(string.printable + "әқңөұүһі", k=draw.randrange(1, 30)))

    def filled(route: str) -> str:
        def key(found: re.Match[str]) -> str:
            if draw.random() < 0.7:
                return draw.choice(keys)
            return quote(word().encode("utf-8", "surrogatepass"), safe="")

        return re.sub(r"<[^>]+>", key, route.replace("^", "").replace("\\Z", "").replace("$", ""))

    while sent < total:
        asker = run.pick()
        path = "/" + filled(draw.choice(routes))
        pairs = [(draw.choice(NAMES), word()) for _ in range(draw.randrange(0, 5))]
        query = "&".join(f"{name}={quote(value.encode('utf-8', 'surrogatepass'), safe='')}" for name, value in pairs)
        headers = {**asker.headers, "Accept": draw.choice(("text/html", "application/json", "*/*", ""))}
        if draw.random() < 0.1:
            name = draw.choice(("Accept-Language", "Range", "If-Modified-Since", "X-Forwarded-Host", "X-Forwarded-For", "Cookie2", "HX-Request"))  # fmt: skip
            headers[name] = re.sub(r"[^\x20-\x7e]", "", word()).strip()[:200]
        try:
            if draw.random() < 0.65:
                what = f"GET {path}?{query}"
                answer = run.session.get(
                    f"{run.city.address}{path}?{query}", headers=headers, cookies=asker.cookies, timeout=60, allow_redirects=False,
                )  # fmt: skip
            else:
                what = f"POST {path} {pairs}"
                body = query.encode()
                headers["Content-Type"] = draw.choice(
                    ("application/x-www-form-urlencoded",) * 6 + ("application/json", "multipart/form-data; boundary=x", "text/plain")
                )  # fmt: skip
                answer = run.session.post(
                    f"{run.city.address}{path}", data=body, headers=headers, cookies=asker.cookies, timeout=60, allow_redirects=False,
                )  # fmt: skip
        except (RequestException, UnicodeError, ValueError):
            run.counts["not sendable"] += 1
            continue
        sent += 1
        run.look(asker, what, answer.status_code, answer.content.decode("utf-8", "replace"))
        if sent % 200 == 0:
            run.keep_signed_in()
        if len(run.faults) > 40:
            break
    return sent


def main() -> None:
    given = arguments(
        __doc__ or "",
        ("--scale", {"type": float, "default": 1.0, "help": "share of 100,000 requests"}),
        ("--seed", {"type": int, "default": 20261123}),
        ("--part", {"default": ""}),
    )
    if given.part == "seed":
        import os

        seed(Path(os.environ["QALA_DATA_DIR"]))
        return
    found = Results("hostile", given)
    total = max(500, round(100_000 * given.scale))
    with work_folder(given) as folder:
        told = child(Path(__file__), folder / "city", "seed")
        limits = {"QALA_LOG_LEVEL": "warning"}
        with RunningCity(folder / "city", settings=limits) as city:
            run = Run(city, told, given.seed)
            began = time.perf_counter()
            api = fuzz_api(run, round(total * 0.7))
            say(f"  API: {api:,} requests, {len(run.faults)} faults")
            pages = fuzz_pages(run, total - api)
            seconds = time.perf_counter() - began
            health, _told = city.health()
    for fault in run.faults:
        say(f"FAULT {fault}")
    say(f"  {dict(run.counts)} {dict(sorted(run.statuses.items()))}")
    note = f"{api:,} over the API, {pages:,} on pages; " + ", ".join(f"{n:,} × {code}" for code, n in sorted(run.statuses.items()))  # fmt: skip
    found.add(
        "fuzzed requests answered", api + pages, "requests", floor=None if given.check else total, more=True, note=note
    )
    found.add("of them a server error, a traceback or another utility's row", len(run.faults), "requests", floor=0)
    found.add("requests answered a second, one after another", (api + pages) / seconds, "1/s")
    found.write()
    if run.faults or health != 200:
        sys.exit(f"{len(run.faults)} faults, health {health}")


if __name__ == "__main__":
    main()
