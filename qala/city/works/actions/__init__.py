from .assets import AssetSummary, load_assets, put_assets, reason_text, refusal
from .kinds import keep_kinds, prepare_kinds

__all__ = ["AssetSummary", "keep_kinds", "load_assets", "prepare_kinds", "put_assets", "reason_text", "refusal"]
