"""The account's console: read-only pages for a browser, at the account's own address."""

from local_account.console.console import Console

__all__ = ["Console"]
