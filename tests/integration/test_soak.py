"""A service in use for long does not grow; `python -m tests.soak` takes its time."""

from __future__ import annotations

import pytest

from tests.integration.running import running_service
from tests.soak import Sample, assert_plateau, leftovers, short_lived, soak


def test_what_expires_leaves_nothing_behind(own_folder):
    with running_service(own_folder, **short_lived(1)) as service:
        samples = list(soak(service, 5, every_seconds=0.25))
        assert samples[-1].n_requests > 20
        assert_plateau(samples, warm_up_seconds=2)
        assert leftovers(service, 1) == []


@pytest.mark.parametrize("quantity", ["n_keys", "n_rq_keys", "memory_bytes"])
def test_growth_is_noticed(quantity):
    samples = [
        Sample(
            **{
                "seconds": second,
                "n_requests": 0,
                "n_keys": 100,
                "n_rq_keys": 10,
                "memory_bytes": 1 << 21,
            }
            | {quantity: 1 << 20 | second << 18}
        )
        for second in range(20)
    ]
    with pytest.raises(AssertionError, match=quantity):
        assert_plateau(samples, warm_up_seconds=2)
