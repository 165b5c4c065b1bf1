"""Models in the files of other programs, one format a file; what was written is compared with the model."""

from graft.exporters._base import Exporter, Opened
from graft.exporters._export import REGISTRY, Exported, export
from graft.exporters._metadata import FORMAT, KEY, metadata
from graft.exporters._network import Network
from graft.exporters._parity import TOLERANCE, Parity

__all__ = [
    "FORMAT",
    "KEY",
    "REGISTRY",
    "TOLERANCE",
    "Exported",
    "Exporter",
    "Network",
    "Opened",
    "Parity",
    "export",
    "metadata",
]
