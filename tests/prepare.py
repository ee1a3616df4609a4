"""Fetch what the tests run against, before several processes of them ask for it at once: ``python -m tests.prepare``.

What cannot be had here is said in one line; the tests that need it say so again, and fail where ``CI`` is set.
"""

from __future__ import annotations

import os
import sys

from tests import suite
from tests.servers.kafka import KafkaUnavailableError, kafka_libs
from tests.servers.redis import RedisUnavailableError, redis_binary
from tests.servers.s3 import S3UnavailableError, versitygw


def main() -> None:
    suite.suite()
    if not os.environ.get("RAY_PIPELINE_TEST_BOOTSTRAP"):
        try:
            kafka_libs()
        except KafkaUnavailableError as reason:
            print(f"no real Kafka for the tests: {reason}", file=sys.stderr)
    try:
        versitygw()
    except S3UnavailableError as reason:
        print(f"no real S3 server for the tests: {reason}", file=sys.stderr)
    try:
        redis_binary()
    except RedisUnavailableError as reason:
        print(f"no real Redis for the tests: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
