"""The base map over HTTP, from this very server: vector tiles, or one file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from qala.kernel.errors import NotFound

from .. import store

KEEP = "private, max-age=31536000, immutable"  # the address holds the version
CHECK = "private, max-age=300"
DEEPEST = 24


@require_safe
def tile(request: HttpRequest, z: int, x: int, y: int) -> HttpResponse:
    """A vector tile as it lies in the file, packed by gzip; empty (204) where there is none."""
    request.who.require("places.view")  # type: ignore[attr-defined]
    found = store.find_tile(z, x, y) if z <= DEEPEST else None
    if found is None:
        return _kept(request, HttpResponse(status=204))
    data, packed = found
    return _kept(request, _packed(request, data, "application/vnd.mapbox-vector-tile", packed))


@require_safe
def whole(request: HttpRequest) -> HttpResponse:
    """The base map that came as GeoJSON, simplified."""
    request.who.require("places.view")  # type: ignore[attr-defined]
    base = store.find_base_map()
    if base is None or base.kind != "geojson":
        raise NotFound("There is no base map of this kind.")
    return _kept(request, _packed(request, base.path.read_bytes(), "application/geo+json", True))


def _packed(request: HttpRequest, data: bytes, kind: str, packed: bool) -> HttpResponse:
    takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
    answer = HttpResponse(data if takes_gzip or not packed else store.unpacked(data), content_type=kind)
    if packed and takes_gzip:
        answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Vary"] = "Accept-Encoding"
    return answer


def _kept(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    base = store.find_base_map()
    named = request.GET.get("v", "")
    answer.headers["Cache-Control"] = KEEP if base is not None and named == base.version else CHECK
    return answer
