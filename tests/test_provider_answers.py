"""What is made of answers, without a network: predictions, pages, errors, and the requests' own form."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalogue.schema import Kind, Model, OutputShape, Part, Shape
from bot.errors import (
    LostAnswer,
    NotAPrediction,
    ProviderBusy,
    ProviderDown,
    ProviderRefused,
    ThreadreelError,
)
from bot.providers.answers import Answer, decode, describe_body, shorten
from bot.providers.dialect import Hook, create_request
from bot.providers.dialect import Kind as ApiKind
from bot.providers.errors import translate
from bot.providers.predictions import Page, Status, parse_page, parse_prediction
from bot.providers.upload import file_name

HASH = "ca1f5e306e5721e19c473e0d094e6603f0456fe759c10715fcd6c1b79242d4a5"
TOKEN = "r8_abcdefghijklmnopqrstuvwxyz0123456789"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC).timestamp()

# The gateways' document of stable-diffusion-animation shows this answer; its `urls` are Replicate's.
STARTING = {
    "id": "8qnr2j4kynrj00crapbtfewwdg",
    "model": "andreasjansson/stable-diffusion-animation",
    "version": HASH,
    "input": {"prompt_start": "a fox in snow", "prompt_end": "a fox in flowers", "width": 512},
    "logs": "",
    "output": None,
    "data_removed": False,
    "error": None,
    "status": "starting",
    "created_at": "2025-07-29T09:50:53.941Z",
    "urls": {
        "cancel": "https://api.replicate.com/v1/predictions/8qnr2j4kynrj00crapbtfewwdg/cancel",
        "get": "https://api.replicate.com/v1/predictions/8qnr2j4kynrj00crapbtfewwdg",
    },
}
IMAGE_LIST = {"created": 1589478378, "data": [{"url": "https://..."}, {"url": "https://..."}]}


def model(version: str = HASH, endpoint: str = "version", gateway_endpoint: str = "version") -> Model:
    return Model(
        command="animate",
        owner="andreasjansson",
        name="stable-diffusion-animation",
        version=version,
        title="Animate",
        summary="",
        endpoint=endpoint,
        gateway_endpoint=gateway_endpoint,
        kind=Kind.VIDEO,
        formats=("mp4",),
        output=OutputShape(Shape.GROWING_LIST, (Part("animation", Kind.VIDEO),)),
        inputs=(),
        example="",
    )


# -- requests

NAME = "andreasjansson/stable-diffusion-animation"
MODEL_PATH = f"/models/{NAME}/predictions"


@pytest.mark.parametrize(
    ("kind", "wanted", "path", "version"),
    [
        ("replicate", model(), "/predictions", HASH),
        ("sandbox", model(), "/predictions", HASH),
        ("gateway", model(), "/predictions", f"{NAME}:{HASH}"),
        ("replicate", model(gateway_endpoint="model"), "/predictions", HASH),
        ("gateway", model(gateway_endpoint="model"), MODEL_PATH, HASH),
        ("replicate", model("", endpoint="model"), MODEL_PATH, None),
        ("replicate", model(endpoint="model"), MODEL_PATH, None),
        ("gateway", model("", gateway_endpoint="model"), MODEL_PATH, None),
        ("replicate", model(""), "/predictions", NAME),
        ("gateway", model(""), "/predictions", NAME),
    ],
)
def test_each_api_gets_the_version_where_and_as_it_takes_it(
    kind: ApiKind, wanted: Model, path: str, version: str | None
) -> None:
    inputs = {"prompt_start": "a fox", "width": 512}
    assert create_request(kind, wanted, inputs) == (
        path,
        {"input": inputs} | ({} if version is None else {"version": version}),
    )


@pytest.mark.parametrize("kind", ["replicate", "gateway"])
def test_a_webhook_is_asked_for_with_its_events(kind: ApiKind) -> None:
    _, body = create_request(kind, model(), {}, webhook=Hook("https://bot.example/hook", ("start", "logs")))
    assert body["webhook"] == "https://bot.example/hook"
    assert body["webhook_events_filter"] == ["start", "logs"]
    assert set(create_request(kind, model(), {})[1]) == {"input", "version"}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("fox.png", "fox.png"),
        ('a "b"\r\nX-Evil: 1/../c.png', "a _b___X-Evil: 1_.._c.png"),
        ("", "file"),
        ("é" * 300 + ".png", "é" * 125 + ".png"),
        ("x" * 300, "x" * 255),
        (".png", ".png"),
    ],
)
def test_a_files_name_can_stand_in_a_header(name: str, safe: str) -> None:
    assert file_name(name) == safe
    assert len(safe.encode()) <= 255


# -- predictions


def test_an_answer_to_a_create_is_read() -> None:
    prediction = parse_prediction(STARTING)
    assert prediction.id == "8qnr2j4kynrj00crapbtfewwdg"
    assert prediction.status is Status.STARTING
    assert prediction.version == HASH
    assert prediction.input["prompt_start"] == "a fox in snow"
    assert prediction.created_at == pytest.approx(1753782653.941)
    assert (prediction.output, prediction.error, prediction.logs) == (None, None, "")


def test_an_answer_of_an_ended_prediction_is_read() -> None:
    prediction = parse_prediction(
        STARTING
        | {
            "status": "succeeded",
            "version": f"{NAME}:{HASH}",
            "output": ["https://replicate.delivery/pbxt/a/out.mp4"],
            "logs": "100%|#| 2/2 [00:01]\n",
            "started_at": "2025-07-29T09:51:00Z",
            "completed_at": "2025-07-29T09:51:30.123456789Z",
            "metrics": {"predict_time": 29.5, "total_time": 36.1, "image_count": 1},
        }
    )
    assert prediction.status.terminal
    assert prediction.version == HASH
    assert prediction.output == ["https://replicate.delivery/pbxt/a/out.mp4"]
    assert prediction.started_at == 1753782660
    assert prediction.completed_at == pytest.approx(1753782690.123456)
    assert prediction.predict_time == 29.5


def test_only_id_and_status_are_needed() -> None:
    prediction = parse_prediction({"id": "abc123", "status": "starting"})
    assert (prediction.id, prediction.status, prediction.version) == ("abc123", Status.STARTING, "")
    assert (prediction.created_at, prediction.predict_time, prediction.data_removed) == (None, None, False)


@pytest.mark.parametrize(
    ("word", "status", "terminal"),
    [
        ("starting", Status.STARTING, False),
        ("processing", Status.PROCESSING, False),
        ("succeeded", Status.SUCCEEDED, True),
        ("failed", Status.FAILED, True),
        ("canceled", Status.CANCELED, True),
        ("aborted", Status.ABORTED, True),
        ("successful", Status.UNKNOWN, False),
        ("", Status.UNKNOWN, False),
    ],
)
def test_every_status_is_known_and_unknown_ones_count_as_running(
    word: str, status: Status, terminal: bool
) -> None:
    prediction = parse_prediction({"id": "a", "status": word})
    assert prediction.status is status
    assert prediction.status.terminal is terminal


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2025-07-29T09:50:53Z", 1753782653),
        ("2025-07-29T09:50:53.5Z", 1753782653.5),
        ("2025-07-29T09:50:53", 1753782653),
        ("2025-07-29T11:50:53+02:00", 1753782653),
        ("yesterday", None),
        ("9999-99-99T00:00:00Z", None),
        (1753782653, None),
        (None, None),
    ],
)
def test_times_are_read_with_and_without_fraction_and_zone(value: Any, seconds: float | None) -> None:
    assert parse_prediction(STARTING | {"created_at": value}).created_at == seconds


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, None),
        ("E1001: out of memory", "E1001: out of memory"),
        ({"message": "boom", "code": 7}, "boom"),
        ({"detail": "boom"}, "boom"),
        ({"code": 7}, '{"code": 7}'),
        (["a", 1], '["a", 1]'),
        ("half \ud83d of a character", "half ? of a character"),
    ],
)
def test_an_error_becomes_words_whatever_its_form(error: Any, text: str | None) -> None:
    assert parse_prediction({"id": "a", "status": "failed", "error": error}).error == text


def test_strange_fields_do_not_hide_a_prediction() -> None:
    strange = {
        "logs": None,
        "input": "removed",
        "metrics": {"predict_time": "soon"},
        "model": 7,
        "version": "hidden",
        "data_removed": True,
    }
    prediction = parse_prediction({"id": "a", "status": "succeeded"} | strange)
    assert (prediction.logs, dict(prediction.input), prediction.predict_time) == ("", {}, None)
    assert (prediction.version, prediction.data_removed) == ("hidden", True)


def test_of_a_long_log_the_end_is_kept() -> None:
    prediction = parse_prediction({"id": "a", "status": "processing", "logs": "x" * 200_000 + "end"})
    assert len(prediction.logs) == 64 * 1024
    assert prediction.logs.endswith("end")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "an empty object"),
        (IMAGE_LIST, "an object with created, data"),
        ([], "a list of 0"),
        ("ok", 'only "ok"'),
        (None, "only null"),
        ({"id": "a"}, "an object with id"),
        ({"id": 7, "status": "starting"}, "an object with id, status"),
        ({"id": "../account", "status": "starting"}, "a prediction with the id '../account'"),
        ({"id": "", "status": "starting"}, "a prediction with the id ''"),
        ({"error": {"message": "无可用渠道", "code": "model_not_found"}}, "an error: 无可用渠道"),
        ({"error": "no such user"}, "an error: no such user"),
    ],
)
def test_what_is_no_prediction_is_named(value: Any, says: str) -> None:
    with pytest.raises(NotAPrediction) as caught:
        parse_prediction(value)
    assert caught.value.detail == says


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "an empty answer"),
        (b"  \n", "an empty answer"),
        (b"<html><head><title>502 Bad\n Gateway</title></head>", "an HTML page (502 Bad Gateway)"),
        (b"<!doctype html><p>hello", "an HTML page"),
        (b'{"id": "abc", "status": "star', "an answer that breaks off, or is no JSON"),
        (b"upstream\x1b[31m error", "text: upstream [31m error"),
        (b"[" * 100_000, "an answer that breaks off, or is no JSON"),
        (b"1" * 5000, "text: " + "1" * 99 + "…"),
    ],
)
def test_what_is_no_json_is_named(body: bytes, says: str) -> None:
    with pytest.raises(NotAPrediction) as caught:
        decode(body)
    assert caught.value.detail == says == describe_body(body)


def test_numbers_that_are_none_become_null() -> None:
    assert decode(b'{"a": NaN, "b": [Infinity, -Infinity]}') == {"a": None, "b": [None, None]}


TEXT = st.text(st.characters(exclude_categories=()))  # halves of characters too: JSON can spell them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = dict.fromkeys(
    ("output", "error", "logs", "model", "version", "input", "created_at", "completed_at", "data_removed"),
    JSON | TEXT,
)
ALMOST = st.fixed_dictionaries(
    {"id": st.text(max_size=6) | JSON, "status": st.sampled_from(Status).map(str) | JSON},
    optional=FIELDS | {"metrics": st.fixed_dictionaries({"predict_time": JSON}) | JSON},
)


T = TypeVar("T")


def or_none(parse: Callable[[Any], T], value: Any) -> T | None:
    """What is made of the value, None where it is refused in a few plain words."""
    try:
        return parse(value)
    except NotAPrediction as error:
        detail = error.detail
    assert 0 < len(detail) <= 400
    assert detail.isprintable()
    return None


@given(JSON | ALMOST)
def test_any_json_is_a_prediction_that_can_be_stored_or_is_none(value: Any) -> None:
    prediction = or_none(parse_prediction, value)
    if prediction is not None:
        texts = [prediction.id, prediction.error or "", prediction.logs, prediction.model, prediction.version]
        assert "".join(texts).encode()
        assert prediction.predict_time is None or prediction.predict_time >= 0


@given(
    JSON | st.fixed_dictionaries({"results": JSON | st.lists(ALMOST)}, optional={"next": JSON | st.text()})
)
def test_any_json_is_a_page_or_is_none(value: Any) -> None:
    page = or_none(parse_page, value)
    assert page is None or isinstance(page, Page)


def test_of_the_next_page_only_the_cursor_is_taken() -> None:
    page = parse_page(
        {
            "previous": None,
            "next": "https://evil.example/v1/predictions?cursor=cD0yMDIy%3D&x=1",
            "results": [STARTING, {"status": "?"}, {"id": "b", "status": "aborted"}],
        }
    )
    assert page.next == "cD0yMDIy="
    assert [entry.id for entry in page.predictions] == ["8qnr2j4kynrj00crapbtfewwdg", "b"]


@pytest.mark.parametrize("link", [None, 7, "", "https://[evil", "https://api.replicate.com/v1/predictions"])
def test_a_page_without_a_usable_cursor_is_the_last(link: Any) -> None:
    assert parse_page({"results": [], "next": link}).next is None


# -- errors


def answered(
    status: int, body: Any = b"", headers: dict[str, str] | None = None, *, paid: bool = True
) -> ThreadreelError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return translate(Answer(status, httpx.Headers(headers or {}), raw), paid=paid, token=TOKEN, now=NOW)


INVALID_FORMAT = {
    "title": "Input validation failed",
    "detail": '- input.output_format: output_format must be one of the following: "jpg", "png"\n',
    "status": 422,
    "invalid_fields": [
        {
            "type": "enum",
            "field": "input.output_format",
            "description": 'output_format must be one of the following: "jpg", "png"',
        },
        {"type": "required", "field": "input.prompt"},
        {"field": 7},
        "nonsense",
    ],
}
NO_TOKEN = {
    "title": "Unauthenticated",
    "detail": "You did not pass a valid authentication token",
    "status": 401,
}
NO_QUOTA = {
    "error": {
        "message": "用户额度不足 (request id: 1)",
        "type": "new_api_error",
        "code": "insufficient_user_quota",
    }
}
NO_CHANNEL = {"error": {"message": "无可用渠道", "type": "new_api_error", "code": "model_not_found"}}
THROTTLED = {
    "detail": "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per "
    "minute with a burst of 1 requests while you have less than $5.0 in credit. "
    "Your rate limit resets in ~7s.",
    "status": 429,
}


@pytest.mark.parametrize(
    ("status", "body", "code", "detail"),
    [
        (401, NO_TOKEN, "unauthenticated", "You did not pass a valid authentication token"),
        (401, {"error": {"message": "未提供令牌", "type": "new_api_error"}}, "unauthenticated", "未提供令牌"),
        (402, {"title": "Insufficient credit", "status": 402}, "no_credit", "Insufficient credit"),
        (403, {"detail": "No."}, "forbidden", "No."),
        (403, NO_QUOTA, "no_credit", "用户额度不足 (request id: 1)"),
        (429, NO_QUOTA, "no_credit", "用户额度不足 (request id: 1)"),
        (404, {"detail": "The specified version does not exist", "status": 404}, "not_found", None),
        (404, b"", "not_found", "an empty answer"),
        (404, b"<html><title>Not Found</title>", "not_found", "an HTML page (Not Found)"),
        (413, b"Payload Too Large", "too_large", "text: Payload Too Large"),
        (422, INVALID_FORMAT, "bad_input", None),
        (422, {"detail": [{"loc": ["body"], "msg": "Field required"}]}, "bad_input", "an object with detail"),
        (400, {"error": "invalid character"}, "refused", "invalid character"),
        (409, {"message": "in use"}, "refused", "in use"),
        (418, [1, 2], "refused", "a list of 2"),
        (301, b"", "refused", "the API sends us elsewhere; its base URL may be wrong"),
    ],
)
def test_a_refusal_says_who_must_act(status: int, body: Any, code: str, detail: str | None) -> None:
    for paid in (True, False):
        error = answered(status, body, paid=paid)
        assert isinstance(error, ProviderRefused)
        assert (error.code, error.status) == (code, status)
        assert detail in (None, error.detail)


def test_a_refused_input_names_the_fields_by_their_own_names() -> None:
    error = answered(422, INVALID_FORMAT)
    assert isinstance(error, ProviderRefused)
    assert error.fields == {
        "output_format": 'output_format must be one of the following: "jpg", "png"',
        "prompt": "required",
    }


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"Retry-After": "12"}, THROTTLED | {"retry_after": 7}, 12),
        ({"Retry-After": "1.5"}, {}, 1.5),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:30 GMT"}, {}, 30),
        ({"Retry-After": "Sat, 21 Nov 2026 11:00:00 GMT"}, {}, 0),
        ({"Retry-After": "soon"}, THROTTLED | {"retry_after": 7}, 7),
        ({"Retry-After": "-3"}, {}, None),
        ({"Retry-After": "99999999"}, {}, 3600),
        ({"Retry-After": "nan"}, {}, None),
        ({}, THROTTLED | {"retry_after": 4}, 4),
        ({}, {"retry_after": "5"}, 5),
        ({}, {"retry_after": True}, None),
        ({}, {"retry_after": 10**400}, None),
        ({}, THROTTLED, 7),
        ({}, {"detail": "Your rate limit resets in ~2m."}, 120),
        ({}, {"error": {"message": "当前分组上游负载已饱和", "type": "new_api_error"}}, None),
        ({}, b"<html>Too many requests", None),
        ({}, b"", None),
    ],
)
def test_the_time_to_wait_is_found_in_header_body_or_text(
    headers: dict[str, str], body: Any, wait: float | None
) -> None:
    for paid in (True, False):
        error = answered(429, body, headers, paid=paid)
        assert isinstance(error, ProviderBusy)
        assert error.retry_after == wait


@pytest.mark.parametrize(
    ("status", "paid", "free"),
    [
        (503, ProviderDown, ProviderDown),
        (521, ProviderDown, ProviderDown),
        (500, LostAnswer, ProviderDown),
        (502, LostAnswer, ProviderDown),
        (504, LostAnswer, ProviderDown),
        (524, LostAnswer, ProviderDown),
        (408, LostAnswer, ProviderDown),
    ],
)
def test_a_server_that_fails_may_have_taken_it_unless_it_says_otherwise(
    status: int, paid: type, free: type
) -> None:
    assert type(answered(status, b"<html>oops</html>", paid=True)) is paid
    assert type(answered(status, b"<html>oops</html>", paid=False)) is free


def test_a_server_that_is_not_available_says_how_long_and_why() -> None:
    error = answered(503, {"detail": "Maintenance"}, {"Retry-After": "20"})
    assert isinstance(error, ProviderDown)
    assert error.retry_after == 20
    assert str(error) == "503: Maintenance"


def test_a_gateway_without_a_channel_for_the_model_refuses_what_is_ordered_there() -> None:
    error = answered(503, NO_CHANNEL, {"Retry-After": "20"}, paid=True)
    assert isinstance(error, ProviderRefused)
    assert (error.code, error.status, error.detail) == ("no_channel", 503, "无可用渠道")
    assert type(answered(503, NO_CHANNEL, paid=False)) is ProviderDown, "what runs already is asked for again"
    assert type(answered(500, NO_CHANNEL, paid=True)) is LostAnswer


@pytest.mark.parametrize(
    ("exception", "paid"),
    [
        (httpx.ConnectError("All connection attempts failed"), ProviderDown),
        (httpx.ConnectError("[Errno -2] Name or service not known"), ProviderDown),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), ProviderDown),
        (httpx.ConnectTimeout(""), ProviderDown),
        (httpx.PoolTimeout(""), ProviderDown),
        (httpx.ProxyError("403 Forbidden"), ProviderDown),
        (httpx.ReadTimeout(""), LostAnswer),
        (httpx.WriteTimeout(""), LostAnswer),
        (httpx.ReadError(""), LostAnswer),
        (httpx.WriteError(""), LostAnswer),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), LostAnswer),
        (httpx.LocalProtocolError("Too little data"), LostAnswer),
        (TimeoutError(), LostAnswer),
    ],
)
def test_only_what_never_reached_the_server_is_certainly_not_taken(exception: Exception, paid: type) -> None:
    assert type(translate(exception, paid=True, token=TOKEN, now=NOW)) is paid
    assert type(translate(exception, paid=False, token=TOKEN, now=NOW)) is ProviderDown


def test_the_token_stands_in_no_error_even_where_the_server_repeats_it() -> None:
    for padding in range(250, 310):
        for body in ({"detail": "x" * padding + TOKEN}, {"error": {"message": f"bad key {TOKEN}"}}):
            error = answered(401, body)
            assert isinstance(error, ProviderRefused)
            assert TOKEN[:6] not in f"{error!r}{error}{error.detail}"
    field = {"field": "input.prompt", "description": f"got {TOKEN}"}
    error = answered(422, {"detail": "no", "invalid_fields": [field]})
    assert isinstance(error, ProviderRefused)
    assert error.fields == {"prompt": "got ***"}
    exception = httpx.LocalProtocolError(f"Illegal header value b'Bearer {TOKEN}'")
    assert TOKEN not in str(translate(exception, paid=True, token=TOKEN, now=NOW))


def test_what_a_provider_says_is_short_and_has_no_control_characters() -> None:
    error = answered(400, {"detail": "\x1b]0;title\x07 line\nbreak \u202e \ud800" + "y" * 5000})
    assert isinstance(error, ProviderRefused)
    assert len(error.detail) == 300
    assert error.detail.isprintable()
    assert error.detail.startswith("]0;title line break y")


@given(st.text(), st.integers(2, 400))
def test_a_shortened_text_is_short_printable_and_on_one_line(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short.isprintable()
    assert short.encode().decode() == short


@given(
    st.sampled_from([400, 401, 403, 422, 429, 500, 503]),
    JSON | st.fixed_dictionaries({"error": JSON}),
    st.text(),
)
def test_any_error_answer_gives_one_of_our_errors(status: int, body: Any, retry_after: str) -> None:
    headers = {"retry-after": retry_after.encode("ascii", "replace").decode()}
    error = answered(status, body, headers)
    assert isinstance(error, LostAnswer | ProviderBusy | ProviderDown | ProviderRefused)
