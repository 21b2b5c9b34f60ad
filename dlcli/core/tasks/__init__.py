"""What can be learned, by the names of `task`; each module of the registry has `TASK`.

An `ImageTask` is learned by a network from images; `pairs` is learned from a table of texts, by scorers of its own.
"""

from typing import TYPE_CHECKING

from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from dlcli.core.tasks.base import ImageTask

__all__ = ["TASKS", "image_task", "is_of_images"]

TASKS = Registry("task", "dlcli.core.tasks")


def is_of_images(name: str) -> bool:
    """Whether the task of this name is learned from images."""
    from dlcli.core.tasks.base import ImageTask

    return isinstance(TASKS.module(name).TASK, ImageTask)


def image_task(name: str) -> "ImageTask":
    """The task of images with this name; raises UsageError if there is none, ValueError for one of texts."""
    from dlcli.core.tasks.base import ImageTask

    task = TASKS.module(name).TASK
    if not isinstance(task, ImageTask):
        raise ValueError(f"{name} is not learned from images")
    return task
