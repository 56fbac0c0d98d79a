"""Account for the bytes of all request bodies in flight, and bound their sum by `server.body_total`."""

from collections.abc import Callable
from threading import Lock
from weakref import WeakKeyDictionary

from omniroute.errors import GatewayError, TooLarge

RETRY_AFTER = 2.0
"""Retry-After in seconds for a client with a body that was refused for lack of room."""


class BodyAccount:
    """The bytes of one body. They return to the budget on `close`, or when the account is garbage-collected."""

    def __init__(self, budget: "BodyBudget") -> None:
        self._budget = budget
        self.size = 0

    def resize(self, size: int) -> None:
        """Set the current size of the body in bytes. Raises GatewayError 503 where the sum would exceed the limit."""
        self._budget.change(self, size)

    def close(self) -> None:
        """Return all bytes to the budget."""
        self._budget.change(self, 0)

    def __del__(self) -> None:
        if self.size:
            self.close()


class BodyBudget:
    """The sum over all bodies in flight. Thread-safe, as bodies are decompressed in threads."""

    def __init__(self, limit: Callable[[], int]) -> None:
        """Take a function that returns the limit in bytes; it is called at each use."""
        self._limit = limit
        self._accounts: WeakKeyDictionary[object, BodyAccount] = WeakKeyDictionary()
        self._lock = Lock()
        self.used = 0

    def account(self, owner: object) -> BodyAccount:
        """Return the account of a flow or a request handler; it is closed when its owner is garbage-collected."""
        account = self._accounts.get(owner)
        if account is None:
            account = self._accounts[owner] = BodyAccount(self)
        return account

    def close(self, owner: object) -> int:
        """Close the account of an owner, if it has one; return how many bytes it held."""
        if (account := self._accounts.pop(owner, None)) is None:
            return 0
        size = account.size
        account.close()
        return size

    def check(self, size: int) -> None:
        """Raise GatewayError where a body of `size` bytes has no room now, without reserving any."""
        self._check(size, self.used + size)

    def change(self, account: BodyAccount, size: int) -> None:
        """Set the size of one account in bytes. Raises GatewayError as `check`."""
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
