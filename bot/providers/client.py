"""The client of one prediction API: its calls, and where its token may go."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import quote

import httpx

from bot.catalogue.schema import Model
from bot.errors import ConfigError, Mistake, NotAPrediction
from bot.jobs import Json
from bot.providers.answers import describe
from bot.providers.dialect import CAPABILITIES, Kind, create_request, model_path
from bot.providers.manners import LIMITS, Manners, Patience
from bot.providers.predictions import Page, Prediction, parse_page, parse_prediction
from bot.providers.upload import Upload
from bot.providers.wire import Timeouts, Wire, checked_token, checked_url, origin

REPLICATE_URL = "https://api.replicate.com"
CANCEL_AFTER = (5, 86_400)
"""Seconds: the least and the most that its header takes
(https://replicate.com/changelog/2025-10-16-prediction-deadlines)."""

LONGEST_ANSWER = 16 * 2**20
"""Bytes. A page of the list holds a hundred predictions with their inputs."""


class Client:
    """One prediction API. `base_url` is everything before /v1, `can` what it has besides create and get.

    Every call may raise ProviderBusy or ProviderDown (not taken, or harmless to repeat), ProviderRefused and
    NotAPrediction; only `create` raises LostAnswer. Nothing is repeated and no redirect is followed. All URLs
    are built from `base_url`: those in answers (`urls`, `next`, `Location`) are never requested. A call that
    `can` rules out raises NotImplementedError. Whoever calls `create` asks `manners` before; all other calls
    wait for their turn by themselves.
    """

    def __init__(
        self,
        kind: Kind,
        name: str,
        base_url: str,
        token: str | None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeouts: Timeouts | None = None,
        max_connections: int = 50,
        longest_answer: int = LONGEST_ANSWER,
        now: Callable[[], float] = time.time,
        manners: Manners | None = None,
    ) -> None:
        base = checked_url(name, base_url)
        self.name = name
        self.manners = manners or manners_of(kind, name)
        self.can = CAPABILITIES[kind]
        self._kind = kind
        self._origin = origin(base)
        self._base_path = base.raw_path.rstrip(b"/")
        self._token = checked_token(name, token)
        self._wire = Wire(
            base,
            self._token,
            transport=transport,
            timeouts=timeouts or Timeouts(),
            max_connections=max_connections,
            longest_answer=longest_answer,
            now=now,
            manners=self.manners,
        )

    def __repr__(self) -> str:
        return f"<Client {self.name} {self.base_url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._wire.aclose()

    @property
    def base_url(self) -> str:
        return self._wire.base_url

    async def create(
        self,
        model: Model,
        inputs: Mapping[str, Json],
        *,
        webhook: str | None = None,
        cancel_after: float | None = None,
    ) -> Prediction:
        """Ask for a prediction: `inputs` by the model's own names, files as URLs.

        The provider stops it `cancel_after` seconds from now, where it can do that.
        Raises LostAnswer where the request may have been taken. The APIs know no idempotency key: whoever
        repeats a lost request may pay twice.
        """
        path, body = create_request(self._kind, model, inputs, webhook=webhook)
        headers = _deadline(cancel_after) if self.can.deadline and cancel_after is not None else None
        return await self._wire.post(parse_prediction, path, body, headers=headers, paid=True)

    async def get(self, id: str) -> Prediction:
        return await self._wire.get(_only(id), _path_of(id))

    async def list(
        self,
        *,
        created_after: float | None = None,
        created_before: float | None = None,
        cursor: str | None = None,
    ) -> Page:
        """A page of up to 100 predictions, newest first; times are seconds since the epoch."""
        self._demand(self.can.list, "list")
        params = {}
        if created_after is not None:
            params["created_after"] = _iso(created_after)
        if created_before is not None:
            params["created_before"] = _iso(created_before)
        if cursor is not None:
            params["cursor"] = cursor
        page = await self._wire.get(parse_page, "/predictions", params)
        return (
            page if page.next != cursor else Page(page.predictions)
        )  # a page after itself: it would never end

    async def cancel(self, id: str) -> Prediction:
        """May be repeated: what has ended stays as it is."""
        self._demand(self.can.cancel, "cancel")
        return await self._wire.post(_only(id), f"{_path_of(id)}/cancel")

    async def upload(self, path: Path, name: str, mime: str) -> str:
        """The URL to give as an input. Streamed from the disk. May be repeated: a file costs nothing."""
        self._demand(self.can.files, "files")
        size = (await asyncio.to_thread(path.stat)).st_size
        return await self._wire.post_file(_file_url, "/files", Upload(path, name, mime, size))

    async def schema(self, model: Model) -> Mapping[str, Json]:
        """The OpenAPI document of the model's version, else of its latest one; empty where none is shown.

        Raises ProviderRefused("not_found") where the version does not exist.
        """
        self._demand(self.can.schema, "schema")
        if model.version:
            shown = await self._wire.get(_mapping, f"{model_path(model)}/versions/{model.version}")
            return _inner(shown, "openapi_schema")
        shown = await self._wire.get(_mapping, model_path(model))
        return _inner(_inner(shown, "latest_version"), "openapi_schema")

    async def account(self) -> Mapping[str, Json]:
        """Whose token it is: the cheapest way to try it."""
        self._demand(self.can.account, "account")
        return await self._wire.get(_mapping, "/account")

    def token_for(self, url: str) -> str | None:
        """The Authorization header's value for a file that demands one; None for anything but the API's own.

        Replicate keeps files on *.replicate.delivery and may ask for the token there (its OpenAPI document,
        `predictions.get`). A gateway's token is never for that host.
        """
        try:
            target = httpx.URL(url)
        except httpx.InvalidURL:
            return None
        if self._token is None or target.userinfo or "\\" in url:
            return None
        may_have_it = self._is_own(target) or self._is_delivery(target)
        return f"Bearer {self._token}" if may_have_it else None

    def _is_own(self, url: httpx.URL) -> bool:
        """Below the base URL: beside it on the same host may be somebody else's."""
        below = url.raw_path.startswith(self._base_path + b"/")
        return origin(url) == self._origin and below and ".." not in url.path.split("/")

    def _is_delivery(self, url: httpx.URL) -> bool:
        scheme, host, port = origin(url)
        return (
            self._kind == "replicate"
            and self.base_url == REPLICATE_URL
            and (scheme, port) == ("https", 443)
            and (host == "replicate.delivery" or host.endswith(".replicate.delivery"))
        )

    def _demand(self, capable: bool, what: str) -> None:
        if not capable:
            raise NotImplementedError(f"{self.name} has no {what}")


def connect(
    kind: Kind,
    name: str,
    base_url: str | None,
    token: str | None,
    *,
    manners: Manners | None = None,
) -> Client:
    """The client of a configured provider. Raises ConfigError for a base URL or a token that can't be one."""
    if base_url is None and kind != "replicate":
        where, remedy = f"providers.{name}.base_url", "Give the address of the API, everything before /v1."
        raise ConfigError([Mistake(where, "is missing", remedy)])
    return Client(kind, name, REPLICATE_URL if base_url is None else base_url, token, manners=manners)


def manners_of(
    kind: Kind,
    name: str,
    *,
    creates_per_minute: int | None = None,
    requests_per_minute: int | None = None,
    patience: Patience | None = None,
) -> Manners:
    """How a provider is asked: by the limits that are given, else by those of its kind."""
    creates, requests = LIMITS[kind]
    return Manners(
        name,
        creates_per_minute=creates if creates_per_minute is None else creates_per_minute,
        requests_per_minute=requests if requests_per_minute is None else requests_per_minute,
        patience=patience,
    )


def replicate(
    name: str,
    base_url: str,
    token: str | None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    timeouts: Timeouts | None = None,
) -> Client:
    return Client("replicate", name, base_url, token, transport=transport, timeouts=timeouts)


def gateway(
    name: str,
    base_url: str,
    token: str | None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    timeouts: Timeouts | None = None,
) -> Client:
    return Client("gateway", name, base_url, token, transport=transport, timeouts=timeouts)


# -- what is made of answers


def _only(id: str) -> Callable[[Json], Prediction]:
    """The prediction with this id: somebody else's picture must never be taken for ours."""

    def parse(value: Json) -> Prediction:
        prediction = parse_prediction(value)
        if prediction.id != id:
            raise NotAPrediction(f"the prediction {prediction.id} where {id} was asked for")
        return prediction

    return parse


def _mapping(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise NotAPrediction(describe(value))
    return value


def _inner(value: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def _file_url(value: Json) -> str:
    url = _inner(_mapping(value), "urls").get("get")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise NotAPrediction(describe(value))
    return url


# -- what requests are made of


def _path_of(id: str) -> str:
    if not id.strip("."):
        raise ValueError(f"not the id of a prediction: {id!r}")
    return f"/predictions/{quote(id, safe='')}"


def _deadline(seconds: float) -> dict[str, str]:
    least, most = CANCEL_AFTER
    return {"Cancel-After": f"{math.ceil(min(max(seconds, least), most))}s"}


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
