from __future__ import annotations

from django.urls import path

from . import borders, loads, views

app_name = "places"
urlpatterns = [
    path("places/", views.place_list, name="list"),
    path("places/load/", loads.load_page, name="load"),
    path("places/export.geojson", views.export, name="export"),
    path("places/shape/<slug:code>.geojson", views.shape, name="shape"),
    path("places/place/<slug:code>.geojson", views.outline, name="outline"),
    path("places/place/<slug:code>/", views.place_page, name="place"),
    path("places/place/<slug:code>/border/", borders.border_page, name="border"),
    path("places/place/<slug:code>/take-back/", borders.take_back_page, name="take_back"),
]
