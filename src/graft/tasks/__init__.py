"""What is predicted, one file each."""

from graft.registry import Registry
from graft.tasks._base import Answer, Mistake, Task

REGISTRY: Registry[Task] = Registry(__name__, "task", Task)

__all__ = ["REGISTRY", "Answer", "Mistake", "Task"]
