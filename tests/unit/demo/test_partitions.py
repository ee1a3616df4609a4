from __future__ import annotations

from random import Random

import confluent_kafka
import pytest

from ray_pipeline.demo.partitions import partition_of


@pytest.mark.parametrize("length", range(24))
def test_a_key_goes_where_the_client_sends_it(length: int) -> None:
    rng = Random(length)
    for partitions in (1, 2, 4, 7):
        for key in (rng.randbytes(length) for _ in range(50)):
            assert partition_of(key, partitions) == confluent_kafka.murmur2(key, partitions)
