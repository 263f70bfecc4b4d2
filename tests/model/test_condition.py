"""Conditioning on a class or on several attributes."""

import pytest
import torch

from gan_lightning.model.layer.condition import Projection, concat_class, one_hot_size

Z = torch.arange(6.0).view(3, 2)


def test_a_class_is_one_hot_beside_z():
    assert concat_class(Z, torch.tensor([2, 0, 1]), 3)[:, 2:].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert concat_class(Z, None, 0) is Z


def test_attributes_are_one_hot_each():
    x = concat_class(Z, torch.tensor([[2, 0], [0, 1], [1, 1]]), (3, 2))
    assert torch.equal(x[:, :2], Z)
    assert x[:, 2:].tolist() == [[0, 0, 1, 1, 0], [1, 0, 0, 0, 1], [0, 1, 0, 0, 1]]
    assert x.shape[1] == 2 + one_hot_size((3, 2))


def test_the_projection_adds_the_embeddings_of_attributes():
    torch.manual_seed(0)
    head, features = Projection(4, (3, 2)), torch.randn(5, 4)
    condition = torch.tensor([[2, 0], [0, 1], [1, 1], [0, 0], [2, 1]])
    table = head.embedding.weight
    expected = head.linear(features)[:, 0] + (features * (table[condition[:, 0]] + table[3 + condition[:, 1]])).sum(1)
    assert torch.allclose(head(features, condition).logits, expected, atol=1e-6)
    assert "first" not in head.state_dict()


def test_packed_samples_add_theirs():
    """Two samples of one logit: the sum over both, whether they have a class or attributes."""
    torch.manual_seed(0)
    features = torch.randn(2, 4)
    for num_values, condition in ((3, [[0, 2], [1, 1]]), ((3, 2), [[[0, 1], [2, 0]], [[1, 1], [1, 0]]])):
        head, packed = Projection(4, num_values), torch.tensor(condition)
        linear = head.linear(features)[:, 0]
        each = [head(features, packed[:, i]).logits - linear for i in range(2)]
        assert torch.allclose(head(features, packed).logits, linear + each[0] + each[1], atol=1e-6)


@pytest.mark.parametrize("num_values", [3, (3, 2)])
def test_without_labels_it_says_so(num_values):
    with pytest.raises(ValueError, match="was given no labels"):
        concat_class(Z, None, num_values)
    with pytest.raises(ValueError, match="was given no labels"):
        Projection(4, num_values)(torch.randn(2, 4), None)
