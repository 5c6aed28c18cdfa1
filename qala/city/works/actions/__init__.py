from .assets import AssetSummary, load_assets, put_assets, reason_text, refusal
from .crews import close_crew, join_crew, leave_crew, make_crew
from .doing import add_note, add_photo, erase_person, may_add_photo, remove_photo, tick_item
from .kinds import keep_kinds, prepare_kinds
from .orders import assign_order, change_order, move_order, open_order

__all__ = [
    "AssetSummary",
    "add_note",
    "add_photo",
    "assign_order",
    "change_order",
    "close_crew",
    "erase_person",
    "join_crew",
    "keep_kinds",
    "leave_crew",
    "load_assets",
    "make_crew",
    "may_add_photo",
    "move_order",
    "open_order",
    "prepare_kinds",
    "put_assets",
    "reason_text",
    "refusal",
    "remove_photo",
    "tick_item",
]
