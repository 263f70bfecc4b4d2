"""An augmentation that holds a run in a step until a signal comes, so that a test interferes when it likes."""

CLASS = '''
import os, pathlib, select, signal
from gan_lightning.augmentation.base import Augmentation


class Held(Augmentation):
    """Once: a run that goes on finds the mark and passes. Of several ranks it holds the second, for whom the first waits.

    A signal that has come since the first step is enough.
    """

    def __init__(self, mark: str = "", step: int = 6) -> None:
        super().__init__()
        self.mark, self.step, self.seen = pathlib.Path(mark), step, 0

    def update(self, real_logits):
        self.seen += 1
        if os.environ.get("RANK", "1") != "1" or self.mark.exists():
            return
        if self.seen == 1:
            self.wakeup, write_end = os.pipe()
            os.set_blocking(write_end, False)
            signal.set_wakeup_fd(write_end)
        if self.seen == self.step:
            self.mark.touch()
            select.select([self.wakeup], [], [], 600)
            signal.set_wakeup_fd(-1)
'''


def node(mark, kind="Held"):
    """An option of the group `augmentation`, as a file says it."""
    return f"_target_: mylab.{kind}\nmark: {mark}\nstep: 6\n"
