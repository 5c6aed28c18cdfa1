from __future__ import annotations

from django.urls import path

from . import my_data

app_name = "my_data"
urlpatterns = [
    path("data/", my_data.data_page, name="data"),
    path("data/copy.zip", my_data.download, name="copy"),
    path("data/erase/", my_data.ask, name="ask_erasure"),
    path("data/keep/", my_data.cancel, name="cancel_erasure"),
]
