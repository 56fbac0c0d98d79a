"""What went wrong on the network, out of what the libraries have wrapped around it."""

import socket
import ssl
from collections.abc import Iterator


def named(error: BaseException, where: str) -> str | None:
    """Name the fault between us and `where`; None for one that has no name here."""
    return next(filter(None, (_name(cause, where) for cause in _causes(error))), None)


def _name(cause: BaseException, where: str) -> str | None:
    match cause:
        case socket.gaierror():
            return f"the host of {where} is not known"
        case ssl.SSLCertVerificationError():
            return f"the certificate of {where} is not valid: {cause.verify_message}"
        case ssl.SSLError():
            return f"TLS with {where} failed: {cause.reason or cause}"
        case ConnectionRefusedError():
            return f"{where} refuses connections: is it running?"
        case _:
            return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Walk down to what the libraries have wrapped."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _causes(inner)
        error = error.__cause__ or error.__context__
