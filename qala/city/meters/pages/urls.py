from __future__ import annotations

from django.urls import path

from . import views

app_name = "meters"
urlpatterns = [
    path("meters/<str:serial>/hourly.json", views.hourly, name="hourly"),
    path("meters/<str:serial>/intervals.<str:form>", views.download_intervals, name="download"),
]
