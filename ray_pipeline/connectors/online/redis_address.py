"""Where a Redis server is: a URL, or ``host:port,db=0,ssl=true,password=…`` as Feast's own store takes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from ray_pipeline.errors import UsageError

_SCHEMES = ("redis", "rediss", "unix")
_OPTIONS = ("db", "username", "password", "ssl")


@dataclass(frozen=True, slots=True)
class Address:
    """A server for redis-py, and for people."""

    url: str = field(repr=False)
    shown: str


def address(connection: str) -> Address:
    """Return the address; ``UsageError`` where it is none, without what was written: it may hold a password.

    >>> address("db.example:6379,db=2,password=secret").shown
    'redis://db.example:6379/2'
    """
    if "://" in connection:
        return _url(connection)
    server, *rest = connection.split(",")
    if any("=" not in part for part in rest):
        raise UsageError("the online store's connection names several servers, and one is what this store can use")
    options = dict.fromkeys(_OPTIONS, "") | {"db": "0", "ssl": "false"}
    for part in rest:
        name, text = (side.strip() for side in part.split("=", 1))
        if name not in _OPTIONS:
            raise UsageError(f"the online store's connection has an unknown option; known are {', '.join(_OPTIONS)}")
        options[name] = text
    if not options["db"].isdecimal() or options["ssl"].lower() not in {"true", "false"}:
        raise UsageError("the online store's connection needs a number as db, and true or false as ssl")
    user, password = quote(options["username"], safe=""), quote(options["password"], safe="")
    who = f"{user}:{password}@" if user or password else ""
    scheme = "rediss" if options["ssl"].lower() == "true" else "redis"
    return _url(f"{scheme}://{who}{server.strip()}/{options['db']}")


def _url(text: str) -> Address:
    try:
        parts = urlsplit(text)
        host = f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    except ValueError:
        raise UsageError("the online store's connection is no address; write host:port or redis://…") from None
    if parts.scheme not in _SCHEMES:
        raise UsageError(f"the online store's connection must begin with one of {', '.join(_SCHEMES)} and ://")
    return Address(text, f"{parts.scheme}://{'' if parts.scheme == 'unix' else host}{parts.path}")
