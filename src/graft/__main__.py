"""``python -m graft`` is the same as ``graft``."""

from graft.cli import main

main()
