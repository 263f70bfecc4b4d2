"""The progress of a run, and who receives it: every module that has `advance`, before each iteration.

A schedule inside any part (a penalty's weight, a probability of augmentation, the noise or temperature of a layer, a loss's top
k) is a function of the step, so a resumed run has nothing to restore.
"""

from typing import NamedTuple, Protocol, cast

from torch import nn


class Progress(NamedTuple):
    """Hold the number of iterations that are done, and of those that the run has."""

    step: int
    max_steps: int

    @property
    def fraction(self) -> float:
        """Return the share of the run that is done: 0 at its beginning, 1 after its last step."""
        return self.step / max(self.max_steps, 1)


class Scheduled(Protocol):
    """Describe a module with values that are functions of the progress."""

    def advance(self, progress: Progress) -> None:
        """Set the values of the iteration that follows."""


def advance(root: nn.Module, progress: Progress) -> None:
    """Call `advance` of every scheduled module inside `root`, at any depth; not that of `root` itself."""
    for module in root.modules():
        if module is not root and hasattr(type(module), "advance"):  # of the class: a module's own lookup takes 10 times longer
            cast("Scheduled", module).advance(progress)
