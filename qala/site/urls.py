"""All addresses: the house's own, then what each matter's plug brings."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from qala.kernel.plug import plugs

from . import csp, health, metrics
from .api import api
from .pages import views


def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain")


def _of_plugs() -> list[URLResolver]:
    return [path(prefix.lstrip("/"), include(module)) for plug in plugs() for prefix, module in plug.urls.items()]


urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="console:home"), name="root"),
    path("console/", include("qala.site.pages.urls")),
    path("accounts/", include("qala.city.people.pages.urls")),
    path("language/", views.set_language, name="set_language"),
    path("api/", api.urls),
    path("healthz", health.view, name="healthz"),
    path("metrics", metrics.view, name="metrics"),
    path("csp-report", csp.report, name="csp_report"),
    path("robots.txt", robots, name="robots"),
    *_of_plugs(),
]

handler400 = "qala.site.problems.bad_request"
handler403 = "qala.site.problems.forbidden"
handler404 = "qala.site.problems.not_found"
handler500 = "qala.site.problems.server_error"
