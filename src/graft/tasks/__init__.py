"""What is predicted, one file each."""

from graft.registry import Registry
from graft.tasks._base import Task

REGISTRY: Registry[Task] = Registry(__name__, "task", Task)

__all__ = ["REGISTRY", "Task"]
