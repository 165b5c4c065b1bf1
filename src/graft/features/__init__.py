"""Activations of a frozen prefix: computed once for each input and view, stored, read batch by batch."""

from graft.features.activations import StoredActivations
from graft.features.extract import Extraction, extract
from graft.features.shelf import Shelf
from graft.features.store import ShelfInfo, Store
from graft.places import cache_folder

__all__ = ["Extraction", "Shelf", "ShelfInfo", "Store", "StoredActivations", "cache_folder", "extract"]
