"""Answers that say no: Replicate's problem documents and the gateways' own form."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from bot.sandbox.work import Json


class Refusal(Exception):
    """Becomes the answer to the request."""

    content_type = "application/json"

    def __init__(self, status: int, body: Json, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = headers

    def response(self) -> web.Response:
        return answer(self.body, status=self.status, headers=self.headers, content_type=self.content_type)


class Problem(Refusal):
    """Replicate's form. A problem may lack its title."""

    content_type = "application/problem+json"

    def __init__(self, status: int, detail: str, *, title: str = "", **more: Json) -> None:
        head = {"title": title} if title else {}
        super().__init__(status, {**head, "detail": detail, "status": status, **more})


class GatewayError(Refusal):
    """The form of the one-api family (https://github.com/QuantumNous/new-api)."""

    def __init__(self, status: int, message: str, code: str, *, type_: str = "new_api_error") -> None:
        text = f"{message} (request id: {secrets.token_hex(16)})"
        error = {"message": text, "type": type_, "param": "", "code": code}
        super().__init__(status, {"error": error})


@dataclass(frozen=True, slots=True)
class Invalid:
    """One fault of a request's body. `field` is empty for the body itself, else such as "input.width"."""

    type: str
    field: str
    description: str

    @property
    def line(self) -> str:
        return f"- {self.field}: {self.description}\n" if self.field else f"- {self.description}\n"


def answer(
    value: Json,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> web.Response:
    return web.Response(
        body=as_bytes(value), status=status, headers=headers, content_type=content_type, charset="utf-8"
    )


def as_bytes(value: Json) -> bytes:
    """UTF-8; half a surrogate pair, which a prompt may hold, is no text that could be written otherwise."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


# -- Replicate's problems


def unauthenticated(*, token_sent: bool) -> Problem:
    what = "a valid authentication token" if token_sent else "an authentication token"
    return Problem(401, f"You did not pass {what}", title="Unauthenticated")


def insufficient_credit() -> Problem:
    return Problem(
        402,
        "You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing "
        "to purchase credit. Once you purchase credit, please wait a few minutes before trying again.",
        title="Insufficient credit",
    )


def no_such_resource() -> Problem:
    return Problem(404, "The requested resource could not be found.")


def no_such(what: str) -> Problem:
    return Problem(404, f"The specified {what} does not exist")


def invalid_version() -> Problem:
    return Problem(
        422,
        "The specified version does not exist (or perhaps you don't have permission to use it?)",
        title="Invalid version or not permitted",
    )


def invalid_input(faults: Sequence[Invalid]) -> Problem:
    fields = [
        {"type": fault.type, "field": fault.field, "description": fault.description} for fault in faults
    ]
    detail = "".join(fault.line for fault in faults)
    return Problem(422, detail, title="Input validation failed", invalid_fields=fields)


def throttled(seconds: int, limit: str = "") -> Problem:
    """`limit` names the limit, such as " for creating predictions is 600 requests per minute"."""
    detail = f"Request was throttled.{limit} Your rate limit resets in ~{seconds}s."
    return Problem(429, detail, retry_after=seconds)


def too_large() -> Problem:
    return Problem(413, "Files must be less than 100MB in size")


# -- what a status alone stands for


def problem_for(status: int) -> Refusal:
    """The problem that Replicate would answer with this status."""
    match status:
        case 401:
            return unauthenticated(token_sent=True)
        case 402:
            return insufficient_credit()
        case 404:
            return no_such_resource()
        case 413:
            return too_large()
        case 422:
            return invalid_version()
        case 429:
            return throttled(1)
    return Problem(status, "Service unavailable" if status == 503 else "Internal server error")


def gateway_error_for(status: int) -> Refusal:
    """What a gateway would say of its own with this status."""
    match status:
        case 401:
            return GatewayError(401, "无效的令牌", "")
        case 403:
            return GatewayError(403, "用户额度不足, 剩余额度: ＄0.00", "insufficient_user_quota")
        case 429:
            return GatewayError(429, "当前分组上游负载已饱和，请稍后再试", "rate_limit_exceeded")
        case 503:
            return no_channel("")
    return GatewayError(status, "upstream error: do request failed", "do_request_failed")


def no_token() -> GatewayError:
    return GatewayError(401, "未提供令牌", "")


def no_channel(model: str) -> GatewayError:
    return GatewayError(503, f"分组 default 下模型 {model} 无可用渠道（distributor）", "model_not_found")


def no_such_path(method: str, path: str) -> GatewayError:
    return GatewayError(404, f"Invalid URL ({method} {path})", "", type_="invalid_request_error")
