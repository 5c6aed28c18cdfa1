from __future__ import annotations

from django.urls import path

from . import assets, crews, orders

app_name = "works"
urlpatterns = [
    path("assets/", assets.asset_list, name="assets"),
    path("assets/new/", assets.new_page, name="new_asset"),
    path("assets.<str:form>", assets.download, name="export_assets"),
    path("assets/<str:code>/", assets.asset_page, name="asset"),
    path("assets/<str:code>/edit/", assets.edit_page, name="edit_asset"),
    path("loads/assets/", assets.load_page, name="load_assets"),
    path("works/", orders.order_list, name="orders"),
    path("works/new/", orders.new_page, name="new_order"),
    path("works/photos/<uuid:key>/<str:size>.jpg", orders.photo, name="photo"),
    path("works/<str:number>/", orders.order_page, name="order"),
    path("works/<str:number>/edit/", orders.edit_page, name="edit_order"),
    path("works/<str:number>/step/", orders.step, name="step"),
    path("works/<str:number>/assign/", orders.assign, name="assign"),
    path("works/<str:number>/tick/", orders.tick, name="tick"),
    path("works/<str:number>/note/", orders.note, name="note"),
    path("works/<str:number>/photos/", orders.add_photo, name="add_photo"),
    path("works/<str:number>/photos/<uuid:key>/remove/", orders.remove_photo, name="remove_photo"),
    path("crew/", crews.crew_orders, name="crew_orders"),
    path("crew/<str:number>/", crews.crew_order, name="crew_order"),
    path("crews/", crews.crew_list, name="crews"),
    path("crews/<uuid:key>/", crews.crew_page, name="crew"),
    path("crews/<uuid:key>/close/", crews.close, name="close_crew"),
    path("crews/<uuid:key>/members/<uuid:member>/leave/", crews.leave, name="leave_crew"),
]
