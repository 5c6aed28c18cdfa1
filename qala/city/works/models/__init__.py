from .assets import Asset, AssetChange, AssetRefusal, AssetState, Condition, Kind

__all__ = ["Asset", "AssetChange", "AssetRefusal", "AssetState", "Condition", "Kind"]
