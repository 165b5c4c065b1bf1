"""Features that stand beside the network's: further columns of a table and named descriptors, learned and saved."""

from graft.fusion.beside import LEARNED, Beside, Block
from graft.fusion.names import Named, columns_needed, filled, named, refuse_incomplete

__all__ = ["LEARNED", "Beside", "Block", "Named", "columns_needed", "filled", "named", "refuse_incomplete"]
