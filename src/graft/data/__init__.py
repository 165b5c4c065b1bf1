"""Labelled data as the person has them: found, read once, split, audited; no model is known here."""

from graft.data.audit import audit, class_sizes, exact_duplicates
from graft.data.collecting import write_to_label
from graft.data.columns import as_number, cells_of, kind_of, telling_columns, with_columns
from graft.data.dataset import Dataset, SetAside
from graft.data.duplicates import near_duplicates
from graft.data.labels import joined, names
from graft.data.objects import from_objects
from graft.data.parts import LockedPart, Parts, data_fingerprint
from graft.data.reading import find_inputs, in_form, read, texts
from graft.data.scan import Scanned, scan, write_set_aside
from graft.data.split import split
from graft.data.suspects import suspect_labels, suspect_sets

__all__ = [
    "Dataset",
    "LockedPart",
    "Parts",
    "Scanned",
    "SetAside",
    "as_number",
    "audit",
    "cells_of",
    "class_sizes",
    "data_fingerprint",
    "exact_duplicates",
    "find_inputs",
    "from_objects",
    "in_form",
    "joined",
    "kind_of",
    "names",
    "near_duplicates",
    "read",
    "scan",
    "split",
    "suspect_labels",
    "suspect_sets",
    "telling_columns",
    "texts",
    "with_columns",
    "write_set_aside",
    "write_to_label",
]
