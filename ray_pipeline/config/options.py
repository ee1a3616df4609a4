"""Options of other people's libraries, which may hold secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MASK = "**********"
_SECRET = re.compile(
    r"(^key$|^uri$|^header\.|password|passphrase|secret|token$|credential|jaas|\.pem$|assertion|oauthbearer\.config)"
)
_PUBLIC = re.compile(r"(\.location|\.url|\.file)$")


def is_secret(name: str) -> bool:
    """Say whether the value of the option called ``name`` must never be shown.

    ``uri`` is a catalog's address, in which databases carry their password.

    >>> [is_secret(n) for n in ("sasl.password", "secret", "ssl.ca.location", "bootstrap.servers")]
    [True, True, False, False]
    """
    return bool(_SECRET.search(name.lower())) and not _PUBLIC.search(name.lower())


class Options(Mapping[str, str]):
    """An immutable mapping of option names to text, whose repr shows no secret.

    Reading a value gives the value: the one place that needs it is the library's constructor, and what gets
    logged, raised or shown by a debugger on the way there is the repr.

    >>> Options({"sasl.username": "ann", "sasl.password": "x"})
    Options({'sasl.username': 'ann', 'sasl.password': '**********'})
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def masked(self) -> dict[str, str]:
        """Return a copy that may be shown."""
        return {name: MASK if is_secret(name) else value for name, value in self._values.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"Options({self.masked()!r})"

    def __reduce__(self) -> tuple[type[Options], tuple[dict[str, str]]]:
        return (Options, (self._values,))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(as_text(value)),
            serialization=core_schema.plain_serializer_function_ser_schema(cls.masked),
        )


def as_text(values: object) -> dict[str, str]:
    """Flatten to dotted names and spell each value as librdkafka and fsspec read it.

    >>> as_text({"anon": True, "client_kwargs": {"region_name": "eu-west-1"}})
    {'anon': 'true', 'client_kwargs.region_name': 'eu-west-1'}
    """
    if not isinstance(values, Mapping):
        raise ValueError("must be a mapping of option names to values")  # noqa: TRY004 - pydantic wants ValueError
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{inner}": text for inner, text in as_text(value).items()})
        elif isinstance(value, bool):
            flat[str(name)] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            flat[str(name)] = str(value)
        else:
            raise ValueError(f"{name}: must be text, a number, true or false")  # noqa: TRY004
    return flat
