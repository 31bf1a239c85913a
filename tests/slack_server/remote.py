"""The driver's other end over HTTP: a played Slack in a process of its own, driven as in-process."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, Self

import aiohttp

from tests.slack_server.files import AnyFile, as_upload
from tests.slack_server.forms import ClientRefused
from tests.slack_server.limits import JSON


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
    """A `Reply` as it was when it was last asked for; `acknowledged`, `answered` and `opened` ask again."""

    def __init__(self, server: RemoteServer, data: JSON) -> None:
        self._server = server
        self._take(data)

    def _take(self, data: JSON) -> None:
        self.key: int = data["key"]
        self.id: str = data["id"]
        self.ack: JSON | None = data["ack"]
        self.seconds: float | None = data["seconds"]
        self.error: str | None = data["error"]
        self.errors: dict[str, str] = data["errors"]
        self.attempts: int = data["attempts"]
        self.text: str = data["text"]
        self.options: list[JSON] = data["options"]
        self.view: JSON | None = data["view"]
        self.answers: list[JSON] = data["answers"]
        self.ephemerals: list[JSON] = data["ephemerals"]
        self.said: JSON | None = data["said"]

    async def acknowledged(self) -> Self:
        return await self._ask("acknowledged", 30.0)

    async def answered(self, within: float = 5.0) -> Self:
        return await self._ask("answered", within)

    async def opened(self, within: float = 5.0) -> Self:
        return await self._ask("opened", within)

    async def _ask(self, wait_for: str, within: float) -> Self:
        self._take(await self._server.do("reply", key=self.key, wait_for=wait_for, within=within))
        return self


class RemotePerson:
    """The methods of `Person`, with ids for channels, and `{"channel", "ts"}` or `{"view"}` for places."""

    def __init__(self, server: RemoteServer, name: str, id_: str) -> None:
        self._server = server
        self.name = name
        self.id = id_

    async def _act(self, verb: str, **arguments: Any) -> RemoteReply:
        return RemoteReply(self._server, await self._server.do(verb, person=self.name, **arguments))

    async def say(
        self, channel: str, text: str = "", *, files: Iterable[AnyFile] = (), **more: Any
    ) -> RemoteReply:
        sent = [_sent(file) for file in files]
        return await self._act("say", channel=channel, text=text, files=sent, **more)

    async def dm(self) -> str:
        return str(await self._server.do("dm", person=self.name))

    async def command(self, command: str, text: str = "", *, channel: str, **more: Any) -> RemoteReply:
        return await self._act("command", command=command, text=text, channel=channel, **more)

    async def global_shortcut(self, callback_id: str, **more: Any) -> RemoteReply:
        return await self._act("global_shortcut", callback_id=callback_id, **more)

    async def message_shortcut(self, callback_id: str, message: JSON, **more: Any) -> RemoteReply:
        place = {"channel": message["channel"], "ts": message["ts"]}
        return await self._act("message_shortcut", callback_id=callback_id, **place, **more)

    async def press(self, place: JSON, which: str | None = None, **more: Any) -> RemoteReply:
        return await self._act("press", place=place, which=which, **more)

    async def select(self, place: JSON, which: str, value: Any, **more: Any) -> RemoteReply:
        return await self._act("select", place=place, which=which, value=_sent(value), **more)

    async def fill_view(self, values: Mapping[str, Any]) -> JSON:
        view: JSON = await self._server.do("fill_view", person=self.name, values=_all_sent(values))
        return view

    async def submit_view(self, values: Mapping[str, Any] | None = None, **more: Any) -> RemoteReply:
        return await self._act("submit_view", values=_all_sent(values), **more)

    async def close_view(self, *, everything: bool = False) -> RemoteReply:
        return await self._act("close_view", everything=everything)

    async def open_home(self, **more: Any) -> RemoteReply:
        return await self._act("open_home", **more)


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
        return f"{self._url}/api/"

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

    async def person(self, name: str, team: str, *channels: str, **more: Any) -> RemotePerson:
        id_ = await self.do("person", name=name, team=team, channels=list(channels), **more)
        return RemotePerson(self, name, id_)

    async def messages(
        self, channel: str, thread: str | None = None, viewer: str | None = None
    ) -> list[SimpleNamespace]:
        found = await self.do("messages", channel=channel, thread=thread, viewer=viewer)
        return [SimpleNamespace(**message) for message in found]
