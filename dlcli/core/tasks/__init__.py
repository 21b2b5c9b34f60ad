"""What can be learned, by the names of `task`; each module of the registry has `TASK`.

An `ImageTask` is learned by a network from images; `pairs` is learned from a table of texts, by scorers of its own.
"""

from typing import TYPE_CHECKING

from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from dlcli.core.tasks.base import ImageTask
    from dlcli.specs.train import TrainConfig

__all__ = ["TASKS", "image_task", "is_of_images", "task_for"]

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


def task_for(config: "TrainConfig") -> "ImageTask":
    """What a training learns: the task that is named or, with `next`, the next step of sequences."""
    if config.next:
        from dlcli.core.tasks._next_step import NEXT

        return NEXT
    return image_task(config.task)
