"""What is tried, in which order, and what is kept: the ladder, and the course of a fit around it."""

from graft.selection.memory import settled
from graft.selection.settings import Plan, check, plan
from graft.selection.work import look, network, read, work, write_beside

__all__ = ["Plan", "check", "look", "network", "plan", "read", "settled", "work", "write_beside"]
