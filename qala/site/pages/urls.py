from __future__ import annotations

from django.urls import path

from . import views

app_name = "console"
urlpatterns = [
    path("", views.home, name="home"),
    path("map/", views.map_page, name="map"),
    path("map/layer/<str:key>.geojson", views.map_layer, name="map_layer"),
    path("style/", views.style, name="style"),
]
