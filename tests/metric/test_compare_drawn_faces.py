"""The report of scripts/compare_drawn_faces.py: which values count, which are drawn, and what is read with confidence."""

import importlib.util
from pathlib import Path

import torch

from gan_lightning.metric.feature.drawn_faces import VALUES

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_drawn_faces.py"


def test_a_value_is_drawn_if_a_face_with_confidence_in_every_part_has_it():
    spec = importlib.util.spec_from_file_location("compare_drawn_faces", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    shares = [torch.zeros(len(values)) for values in VALUES.values()]
    for share in shares:
        share[:3] = torch.tensor([0.6, 0.39, 0.01])  # the third is too rare to count
    values = torch.tensor([[0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [2, 2, 2, 2, 2]])
    sure = torch.tensor([[True] * 5, [True] * 4 + [False], [True] * 5])  # the second face is not sure of its skin colour
    everywhere = torch.ones(2, 5, dtype=torch.bool)
    lines = script.report(shares, (values, sure), (values[:2], everywhere))
    assert lines[0] == "hair: 1 of 2 values drawn, missing long02; read with confidence: generated 1.000, real 1.000"
    assert lines[4] == "skinColor: 1 of 2 values drawn, missing #9e5622; read with confidence: generated 0.667, real 1.000"
    assert lines[5] == "all parts with confidence: generated 0.667, real 1.000"
