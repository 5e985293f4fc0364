"""Which validation faces decide whether a large network is served in bytes."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("keras")

from fer_core.training import worker  # noqa: E402
from fer_core.zoo import specs  # noqa: E402


@pytest.mark.parametrize("count", [1, worker.JUDGES, 10 * worker.JUDGES + 1])
def test_they_are_few_and_from_all_over_as_datasets_are_sorted(count):
    images = np.arange(count)[:, None]
    validation = SimpleNamespace(images=images, rows=np.arange(count))
    chosen = worker._to_judge_by(validation, specs.SMALL_RESNET)[:, 0]
    assert 0 < len(chosen) <= worker.JUDGES
    assert chosen[0] == 0 and chosen[-1] >= count - 1 - count // len(chosen)


def test_networks_of_other_tasks_have_none():
    validation = SimpleNamespace(images=np.zeros((3, 1)), rows=np.arange(3))
    assert worker._to_judge_by(validation, specs.SIAMESE) is None
