"""Account for the bytes of all request bodies under way, and bound their sum by `server.body_total`."""

from collections.abc import Callable
from threading import Lock
from weakref import WeakKeyDictionary

from omniroute.errors import GatewayError, TooLarge

RETRY_AFTER = 2.0
"""Seconds after which a client that was refused for want of room should try again."""


class BodyAccount:
    """The bytes of one body. They return to the budget on `close`, at the latest when the account is collected."""

    def __init__(self, budget: "BodyBudget") -> None:
        self._budget = budget
        self.size = 0

    def resize(self, size: int) -> None:
        """Set how many bytes the body has now. Raises GatewayError 503 where the sum would exceed the bound."""
        self._budget.change(self, size)

    def close(self) -> None:
        """Return all bytes to the budget."""
        self._budget.change(self, 0)

    def __del__(self) -> None:
        if self.size:
            self.close()


class BodyBudget:
    """The sum over all bodies under way. Safe to call from threads: bodies are decompressed in them."""

    def __init__(self, limit: Callable[[], int]) -> None:
        """Take a function for the bound in bytes, which is read at each use."""
        self._limit = limit
        self._accounts: WeakKeyDictionary[object, BodyAccount] = WeakKeyDictionary()
        self._lock = Lock()
        self.used = 0

    def account(self, owner: object) -> BodyAccount:
        """Return the account of a flow or a request handler; it is closed when its owner is collected."""
        account = self._accounts.get(owner)
        if account is None:
            account = self._accounts[owner] = BodyAccount(self)
        return account

    def close(self, owner: object) -> int:
        """Close the account of an owner, if it has one; return how many bytes that held."""
        if (account := self._accounts.pop(owner, None)) is None:
            return 0
        size = account.size
        account.close()
        return size

    def check(self, size: int) -> None:
        """Raise GatewayError where a body of `size` bytes has no room now, without taking any."""
        self._check(size, self.used + size)

    def change(self, account: BodyAccount, size: int) -> None:
        """Set the size of one account."""
        with self._lock:
            more = size - account.size
            if more > 0:
                self._check(size, self.used + more)
            account.size = size
            self.used += more

    def _check(self, size: int, total: int) -> None:
        limit = self._limit()
        if total <= limit:
            return
        if size > limit:
            raise TooLarge(f"the request body is over the limit of {limit} bytes (setting server.body_total)")
        raise GatewayError(
            f"the request bodies under way have reached {limit} bytes together (setting server.body_total): "
            "try again shortly",
            status=503,
            retry_after=RETRY_AFTER,
        )
