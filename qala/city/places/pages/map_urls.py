from __future__ import annotations

from django.urls import path

from . import basemap

app_name = "basemap"
urlpatterns = [
    path("tiles/<int:z>/<int:x>/<int:y>.mvt", basemap.tile, name="tile"),
    path("base.geojson", basemap.whole, name="geojson"),
]
