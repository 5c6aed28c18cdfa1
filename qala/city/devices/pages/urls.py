from __future__ import annotations

from django.urls import path

from . import views

app_name = "devices"
urlpatterns = [
    path("devices/", views.device_list, name="list"),
    path("devices/<str:serial>/", views.device_page, name="device"),
    path("devices/<str:serial>/readings.<str:form>", views.download_readings, name="download"),
    path("loads/", views.load_list, name="loads"),
    path("loads/<uuid:key>/", views.load_page, name="load"),
    path("loads/<uuid:key>/refused.csv", views.download_refused, name="refused"),
]
