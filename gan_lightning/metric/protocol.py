"""The protocol of scores: from how many samples of which kind each was computed; used, not requested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan_lightning.metric.base import GenerativeMetric
from gan_lightning.metric.evaluation import SampleSource, samples_used
from gan_lightning.metric.reference import Reference


def describe_protocol(metrics: Mapping[str, GenerativeMetric], source: SampleSource, reference: Reference) -> dict[str, Any]:
    """Return the protocol of an evaluation, for a JSON file; call it after `set_reference`.

    samples         generated samples that each metric used
    requested       how many it was set to use, where there were fewer
    reference       the real samples: split, number used, number there are (None: endless), and how they were selected
    compared_with   real samples that each metric used, by what they served for
    floor           the real samples in place of generated ones that each metric's floor was computed from
    """
    used = samples_used(metrics, source)
    fewer = {name: metric.num_samples for name, metric in metrics.items() if metric.num_samples > used[name]}
    selection = reference.selection
    feature = next((metric.feature for metric in metrics.values() if hasattr(metric, "feature")), None)
    return {
        "samples": used,
        **({"requested": fewer} if fewer else {}),
        "reference": {
            "split": reference.split,
            "samples": len(selection),
            "available": selection.available,
            "selection": selection.description,
        },
        "compared_with": {name: metric.real_samples(used[name]) for name, metric in metrics.items()},
        "floor": {name: describe_floor(metric, reference) for name, metric in metrics.items()},
        "feature": feature and feature.name,
        "resizer": feature and feature.resizer,
    }


def describe_floor(metric: GenerativeMetric, reference: Reference) -> dict[str, Any]:
    """Return split, number and selection of the real samples that a metric's floor is computed from."""
    selection = reference.floor(metric.uses_train_split, metric.num_samples)
    return {
        "split": reference.floor_split(metric.uses_train_split),
        "samples": len(selection),
        "selection": selection.description,
    }
