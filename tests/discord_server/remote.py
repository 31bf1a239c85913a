"""The driver's other end over HTTP: a played Discord in a process of its own, driven as in-process."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, Self

import aiohttp

from tests.discord_server.limits import JSON
from tests.discord_server.people import ClientRefused, File, as_upload


def _sent(value: Any) -> Any:
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, list):
        return [_sent(one) for one in value]
    upload = as_upload(value)
    return {"name": upload.filename, "base64": base64.b64encode(upload.data).decode()}


def _all_sent(values: Mapping[str, Any] | None) -> JSON:
    return {key: _sent(value) for key, value in (values or {}).items()}


class RemoteReply:
    """A `Reply` as it was when it was last asked for; `acknowledged` and `answered` ask again."""

    def __init__(self, server: RemoteServer, data: JSON) -> None:
        self._server = server
        self._take(data)

    def _take(self, data: JSON) -> None:
        self.id: int = data["id"]
        self.ack: int | None = data["ack"]
        self.seconds: float | None = data["seconds"]
        self.attempts: list[int] = data["attempts"]
        self.message: JSON | None = data["message"]
        self.followups: list[JSON] = data["followups"]
        self.choices: list[JSON] = data["choices"]
        self.modal: JSON | None = data["modal"]

    @property
    def text(self) -> str:
        return str(self.message["text"]) if self.message else ""

    @property
    def ephemeral(self) -> bool:
        return bool(self.message and self.message["ephemeral"])

    async def acknowledged(self, within: float = 3.0) -> Self:
        return await self._ask("acknowledged", within)

    async def answered(self, within: float = 5.0) -> Self:
        return await self._ask("answered", within)

    async def _ask(self, wait_for: str, within: float) -> Self:
        self._take(await self._server.do("reply", id=self.id, wait_for=wait_for, within=within))
        return self


class RemotePerson:
    """The methods of `Person`, with ids in place of channels and messages."""

    def __init__(self, server: RemoteServer, name: str, id_: int) -> None:
        self._server = server
        self.name = name
        self.id = id_

    async def _act(self, verb: str, **arguments: Any) -> RemoteReply:
        return RemoteReply(self._server, await self._server.do(verb, person=self.name, **arguments))

    async def say(self, channel: int, content: str = "", *, files: Iterable[File] = ()) -> JSON:
        sent = [_sent(file) for file in files]
        message: JSON = await self._server.do(
            "say", person=self.name, channel=channel, content=content, files=sent
        )
        return message

    async def dm(self) -> int:
        return int(await self._server.do("dm", person=self.name))

    async def command(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        channel: int,
        attachments: Mapping[str, File] | None = None,
        **more: Any,
    ) -> RemoteReply:
        given = _all_sent(options) | _all_sent(attachments)
        return await self._act("command", name=name, options=given, channel=channel, **more)

    async def autocomplete(
        self, name: str, option: str, typed: str, *, channel: int, **more: Any
    ) -> RemoteReply:
        return await self._act("autocomplete", name=name, option=option, typed=typed, channel=channel, **more)

    async def context_menu(self, name: str, message: int, **more: Any) -> RemoteReply:
        return await self._act("context_menu", name=name, message=message, **more)

    async def press(self, message: int, custom_id: str | None = None, **more: Any) -> RemoteReply:
        return await self._act("press", message=message, custom_id=custom_id, **more)

    async def select(self, message: int, custom_id: str, values: list[str], **more: Any) -> RemoteReply:
        return await self._act("select", message=message, custom_id=custom_id, values=values, **more)

    async def fill_modal(self, values: Mapping[str, Any] | None = None, **more: Any) -> RemoteReply:
        return await self._act("fill_modal", values=_all_sent(values), **more)


class RemoteServer:
    """`async with RemoteServer("http://127.0.0.1:port") as server:`; `do` calls any verb of `admin.Admin`."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def api_base(self) -> str:
        return f"{self._url}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"{self._url.replace('http', 'ws', 1)}/ws"

    async def do(self, verb: str, **arguments: Any) -> Any:
        """Call one verb.

        Raises:
            ClientRefused: a real client wouldn't do it.
            LookupError: no such verb or thing, or it didn't happen in time.
        """
        assert self._session is not None, "use it with `async with`"
        async with self._session.post(f"{self._url}/_admin/{verb}", json=arguments) as response:
            data = await response.json()
        if response.status == 409:
            raise ClientRefused(data["error"])
        if response.status != 200:
            raise LookupError(data["error"])
        return data["result"]

    async def person(self, name: str, *guilds: int, **more: Any) -> RemotePerson:
        return RemotePerson(self, name, await self.do("person", name=name, guilds=list(guilds), **more))

    async def messages(self, channel: int, viewer: str | None = None) -> list[SimpleNamespace]:
        found = await self.do("messages", channel=channel, viewer=viewer)
        return [SimpleNamespace(**message) for message in found]
