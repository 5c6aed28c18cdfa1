"""The console's page of the audit: who changed what, when and why."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from qala.kernel import audit
from qala.kernel.list_pages import list_answer
from qala.site.audit import AUDIT


@require_safe
def audit_page(request: HttpRequest) -> HttpResponseBase:
    scope = request.who.require(audit.VIEW)  # type: ignore[attr-defined]
    return list_answer(request, AUDIT, "site/audit.html", everything=scope.everything)
