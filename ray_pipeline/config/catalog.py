"""Which Iceberg catalog holds the curated tables, and what a configuration may say about it.

An allow-list of pyiceberg's own property names, because some of them import code (``py-io-impl``, ``auth``).
Messages name the property and never its value: an address may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

TYPES = ("sql", "rest", "glue", "hive")
OURS: Mapping[str, str] = {
    "namespace": "the namespace of the curated tables; the pipeline's name when left out",
    "name": "what a shared SQL database keeps its catalogs apart by; the pipeline's name when left out",
}
"""Two keys of this section that are not pyiceberg's."""


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


ALLOWED: frozenset[str] = frozenset(OURS) | _names(
    """
    type uri warehouse
    credential token scope audience resource oauth2-server-uri prefix namespace-separator rest-page-size
    rest.sigv4-enabled rest.signing-region rest.signing-name rest.sigv4.max-retries
    ssl.cabundle ssl.client.cert ssl.client.key
    pool_pre_ping init_catalog_tables schema_version
    glue.id glue.endpoint glue.region glue.profile-name glue.access-key-id glue.secret-access-key glue.session-token
    glue.max-retries glue.retry-mode glue.skip-archive
    hive.hive2-compatible hive.kerberos-authentication hive.kerberos-service-name
    s3.endpoint s3.region s3.access-key-id s3.secret-access-key s3.session-token s3.anonymous s3.resolve-region
    s3.role-arn s3.role-session-name s3.force-virtual-addressing s3.proxy-uri s3.connect-timeout s3.request-timeout
    s3.server-side-encryption s3.sse-kms-key-id
    client.region client.access-key-id client.secret-access-key client.session-token client.role-arn
    client.role-session-name
    """
)
_HEADER = re.compile(r"header\.[A-Za-z0-9-]+")
_NEVER: Mapping[str, str] = {
    "py-io-impl": "it imports code",
    "py-catalog-impl": "it imports code",
    "auth": "it imports code; use credential, token or rest.sigv4-enabled",
    "auth.manager": "it imports code; use credential, token or rest.sigv4-enabled",
    "s3.retry-strategy-impl": "it imports code",
    "write.py-location-provider.impl": "it imports code",
    "echo": "it writes every statement to the log",
}
_SQL_URI = re.compile(r"sqlite:////[^?#]+|postgresql(\+psycopg2|\+psycopg)?://[^#]+")
_BOOLEANS = _names(
    "rest.sigv4-enabled pool_pre_ping init_catalog_tables glue.skip-archive hive.hive2-compatible"
    " hive.kerberos-authentication s3.anonymous s3.resolve-region s3.force-virtual-addressing"
)
_NAMESPACE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def check_catalog_options(options: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (property, what is wrong) for each property that may not be set; never a value.

    >>> check_catalog_options({"type": "rest", "uri": "https://catalog", "wharehouse": "w"})
    [('wharehouse', 'unknown property; did you mean warehouse?')]
    """
    problems = [(name, what) for name, value in options.items() if (what := _refusal(name, value))]
    return problems or _combination(options)


def _refusal(name: str, value: str) -> str | None:
    never = next((what for key, what in _NEVER.items() if name == key or name.startswith(f"{key}.")), None)
    if never is not None:
        return f"refused: {never}"
    if name not in ALLOWED and not _HEADER.fullmatch(name):
        near = get_close_matches(name.lower().replace("_", "-"), sorted(ALLOWED), n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else "; it is not on the list of catalog properties"
        return f"unknown property{hint}"
    if not value:
        return "is empty"
    if name == "type" and value not in TYPES:
        return f"must be one of {', '.join(TYPES)}"
    if name in _BOOLEANS and value.lower() not in ("true", "false"):
        return "must be true or false"
    if name == "namespace" and not _NAMESPACE.fullmatch(value):
        return "must be names of letters, digits, '_' and '-', with dots between them"
    return None


def _combination(options: Mapping[str, str]) -> list[tuple[str, str]]:
    """What must stand beside what. A section with our own keys alone leaves the catalog to its default."""
    theirs = [name for name in options if name not in OURS]
    kind, uri = options.get("type"), options.get("uri", "")
    if theirs and kind is None:
        return [("type", f"is required beside {theirs[0]}: one of {', '.join(TYPES)}")]
    if kind in ("sql", "rest", "hive") and not uri:
        return [("uri", f"is required for type {kind}")]
    if kind == "sql" and not _SQL_URI.fullmatch(uri):
        return [("uri", "must be postgresql+psycopg2://user@host/database, or sqlite:////absolute/file.db")]
    if kind == "rest" and not uri.startswith(("https://", "http://")):
        return [("uri", "must be the https:// address of an Iceberg REST catalog")]
    if kind == "hive" and not uri.startswith("thrift://"):
        return [("uri", "must be the thrift:// address of a Hive metastore")]
    if kind == "sql" and not options.get("warehouse", "s3://").startswith(("s3://", "/")):
        return [("warehouse", "must be an absolute folder or s3://bucket/prefix")]
    return []
