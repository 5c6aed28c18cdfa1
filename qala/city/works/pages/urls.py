from __future__ import annotations

from django.urls import path

from . import assets

app_name = "works"
urlpatterns = [
    path("assets/", assets.asset_list, name="assets"),
    path("assets/new/", assets.new_page, name="new_asset"),
    path("assets.<str:form>", assets.download, name="export_assets"),
    path("assets/<str:code>/", assets.asset_page, name="asset"),
    path("assets/<str:code>/edit/", assets.edit_page, name="edit_asset"),
    path("loads/assets/", assets.load_page, name="load_assets"),
]
