"""Which names are legal. Each function returns the name, or raises ``ValueError`` with the rule."""

from __future__ import annotations

import re

_SIMPLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


def check_name(name: str) -> str:
    """A pipeline's or a dataset's name.

    No dot: a transactional id is ``pipeline.topic.partition``, and with dots in the first part two pipelines could
    share one; ``--set datasets.NAME.topic=…`` splits at dots as well.

    >>> check_name("flights-2013")
    'flights-2013'
    """
    if not _SIMPLE.fullmatch(name):
        raise ValueError("must be 1 to 64 letters, digits, '_' and '-', beginning with a letter or digit")
    return name


def check_topic(name: str) -> str:
    """A topic's name, as Kafka itself allows it.

    >>> check_topic("orders.v1")
    'orders.v1'
    """
    if not _TOPIC.fullmatch(name) or name in (".", ".."):
        raise ValueError("is no topic that Kafka allows: 1 to 249 letters, digits, '.', '_' and '-'")
    return name
