"""Errors of pyiceberg and of what it stands on, in our words: one sentence, no address, no statement, no secret."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pydantic import ValidationError as PydanticError
from pyiceberg import exceptions as theirs
from requests.exceptions import RequestException
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError, SQLAlchemyError

from ray_pipeline.errors import (
    CatalogDeniedError,
    CatalogUnavailableError,
    RayPipelineError,
    StoreDeniedError,
    StoreUnavailableError,
)

_SQL = (  # first match in the text of the database's own error
    ("database is locked", True, "another process holds its lock; try again"),
    ("database table is locked", True, "another process holds its lock; try again"),
    ("disk is full", True, "the disk is full; free some space and try again"),
    ("disk i/o error", True, "its disk reports an error"),
    ("unable to open database file", False, "its file cannot be opened; check the folder and its permissions"),
    ("readonly database", False, "its file may not be written; check its permissions"),
    ("is not a database", False, "its file is not a SQLite database"),
    ("malformed", False, "its file is damaged; move it away, and the next gate finds the tables again"),
    ("authentication failed", False, "the database refused the credential; check catalog.uri"),
    ("password", False, "the database refused the credential; check catalog.uri"),
    ("does not exist", False, "the database that catalog.uri names does not exist, or has no catalog tables"),
    ("permission denied", False, "the database refused the permission"),
    ("refused", True, "the database does not answer (connection refused)"),
    ("timeout", True, "the database did not answer in time"),
)
_DENIED = (theirs.UnauthorizedError, theirs.ForbiddenError, theirs.AuthorizationExpiredError, theirs.OAuthError)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR})
_THEIRS = tuple(
    error
    for error in vars(theirs).values()
    if isinstance(error, type) and issubclass(error, Exception) and error.__module__ == theirs.__name__
)
FOREIGN = (SQLAlchemyError, RequestException, *_THEIRS, pa.ArrowException, PydanticError, OSError, ImportError)
"""What pyiceberg lets through from below, and its own."""


@contextmanager
def translated(catalog: str, store: str, operation: str) -> Iterator[None]:
    """Raise our error for one of theirs; errors that are ours pass."""
    try:
        yield
    except RayPipelineError:
        raise
    except FOREIGN as error:
        raise translate(error, catalog, store, operation) from None


def translate(error: BaseException, catalog: str, store: str, operation: str) -> RayPipelineError:
    """Return who must act, and how."""
    if isinstance(error, SQLAlchemyError):
        return _database(error, catalog, operation)
    if isinstance(error, _DENIED):
        return CatalogDeniedError(catalog, operation, "the credential was refused; check the catalog section")
    if isinstance(error, RequestException | theirs.RESTError):
        return CatalogUnavailableError(catalog, operation, f"no usable answer ({type(error).__name__})")
    if isinstance(error, theirs.NoSuchTableError):
        return CatalogUnavailableError(catalog, operation, "the table was dropped; the next gate makes it again")
    if isinstance(error, theirs.NotInstalledError | ImportError):
        return CatalogDeniedError(catalog, operation, _missing(error))
    if isinstance(error, PydanticError | theirs.ValidationError):
        return CatalogDeniedError(catalog, operation, "the table's metadata file is damaged")
    if isinstance(error, OSError | pa.ArrowException):
        return _file(error, store, operation)
    return CatalogUnavailableError(catalog, operation, f"it failed with {type(error).__name__}")


def _database(error: SQLAlchemyError, catalog: str, operation: str) -> RayPipelineError:
    text = str(getattr(error, "orig", "")).lower()
    for mark, retryable, reason in _SQL:
        if mark in text:
            return (CatalogUnavailableError if retryable else CatalogDeniedError)(catalog, operation, reason)
    reason = f"the database answered with {type(error).__name__}"
    if isinstance(error, OperationalError | InterfaceError):
        return CatalogUnavailableError(catalog, operation, reason)
    if isinstance(error, DatabaseError):
        return CatalogDeniedError(catalog, operation, reason)
    return CatalogDeniedError(catalog, operation, f"{reason}; check catalog.uri")


def _missing(error: BaseException) -> str:
    module = getattr(error, "name", None) or getattr(error.__cause__, "name", None)
    return (
        f"the package {module} is not installed" if module else "a package that this kind of catalog needs is missing"
    )


def _file(error: OSError | pa.ArrowException, store: str, operation: str) -> RayPipelineError:
    number = getattr(error, "errno", None)
    text = str(error).lower()
    if number in _FULL or "no space left" in text:
        return StoreUnavailableError(store, operation, "the disk is full; free some space and try again")
    if isinstance(error, PermissionError) or number in _FORBIDDEN or "access_denied" in text or "access denied" in text:
        return StoreDeniedError(store, operation, "access denied; check the permissions")
    if isinstance(error, FileNotFoundError):
        return StoreUnavailableError(store, operation, "a file of the table is missing")
    return StoreUnavailableError(store, operation, f"a file could not be read or written ({type(error).__name__})")
