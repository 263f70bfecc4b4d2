"""The calibration of D's logits on samples that it was not trained on: p_data / p_G as a logistic regression reads it.

D is trained on the training samples, to an end that is rarely reached, and with a relativistic loss its logits have no zero; so
neither their size nor their zero are those of a density ratio. A logistic regression of the one number (Platt 1999; Turner et
al. 2019, section 3.1) gives both.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Calibration(NamedTuple):
    """Map logits to log p_data / p_G = slope · logit + offset."""

    slope: float
    offset: float

    def __call__(self, logits: Tensor) -> Tensor:  # (N,) -> (N,)
        """Return the log density ratios."""
        return self.slope * logits + self.offset


def calibrate(real: Tensor, fake: Tensor) -> Calibration:  # (R,), (F,)
    """Fit the calibration to the logits of held-out real samples and of generated ones, which count as much, however many.

    Where D gives the generated samples the larger logits, nothing can be learned from it: the slope is 0.
    """
    from sklearn.linear_model import LogisticRegression

    logits = torch.cat([real, fake]).double()
    scale = float(logits.std()) or 1.0
    is_real = torch.cat([torch.ones(len(real)), torch.zeros(len(fake))])
    fitted = LogisticRegression(C=1e6, class_weight="balanced").fit((logits / scale).unsqueeze(1).numpy(), is_real.numpy())
    slope = float(fitted.coef_[0, 0]) / scale
    return Calibration(slope, float(fitted.intercept_[0])) if slope > 0 else Calibration(0.0, 0.0)
