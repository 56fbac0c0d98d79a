"""The JSON format of all management API errors: a message, a type, a code and details per field."""

from typing import Any

from pydantic import BaseModel, ValidationError

from omniroute.errors import GatewayError


class Detail(BaseModel):
    field: str
    message: str


class Error(BaseModel):
    message: str
    type: str
    code: str | None = None
    details: list[Detail] = []


class ErrorBody(BaseModel):
    error: Error


def of_gateway(error: GatewayError) -> dict[str, Any]:
    """Format a GatewayError; its `param` becomes the only detail."""
    details = [Detail(field=error.param, message=error.message)] if error.param else []
    return shape(error.message, error.kind, error.code, details)


def of_fields(error: ValidationError) -> dict[str, Any]:
    """Format a validation error with one detail per field, without the values sent: they may be passwords."""
    found = [
        Detail(field=".".join(map(str, each["loc"])), message=each["msg"])
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return shape("Invalid request", "invalid_request", None, found)


def shape(message: str, kind: str, code: str | None = None, details: list[Detail] | None = None) -> dict[str, Any]:
    return ErrorBody(error=Error(message=message, type=kind, code=code, details=details or [])).model_dump(
        exclude_none=True
    )
