"""The methods of files.*, and the addresses that bytes go to and come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import BodyPartReader, web

from tests.slack_server.apps import Installation, find_token
from tests.slack_server.blockkit import check_blocks
from tests.slack_server.files import File, new_file
from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.messages import post
from tests.slack_server.state import Channel
from tests.slack_server.webapi import NOTE, Call, Method, Request, page

if TYPE_CHECKING:
    from tests.slack_server.server import SlackServer


def get_upload_url(call: Call) -> JSON:
    """A draft of a file. Each call makes another."""
    name, length = call.needs("filename"), call.number("length", 0)
    team = call.installation.team or call.installation.bot.team
    if length <= 0:
        raise SlackError("invalid_arguments", "must be more than 0: length")
    if team.upload_error is not None:
        raise SlackError(team.upload_error)
    if length > call.world.limits.upload:
        raise SlackError("file_upload_size_restricted")
    file = new_file(call.world, team, call.installation.bot, name, length)
    file.alt_txt = call.text("alt_txt") or None
    return {"upload_url": file.upload_url, "file_id": file.id}


def complete(call: Call) -> JSON:
    """The last step of an upload: once for each file. The message comes later, and its ts isn't told."""
    files = _drafts(call)
    places = _places(call)
    comment, thread = call.text("initial_comment") or "", call.text("thread_ts") or None
    blocks = _blocks(call) if not comment else []
    for file, title in files:
        file.completed, file.title = True, title or file.title
    server, drafts = call.server, [file for file, _ in files]
    # Reported again and again, and never explained: such a file never lands, and nothing says so.
    lost = any(file.alt_txt for file in drafts) or server.limits.lost_shares > 0
    server.limits.lost_shares = max(0, server.limits.lost_shares - 1)
    share = _Share(call.installation, drafts, places, comment, blocks, thread, lost)
    if server.limits.share_in_answer:
        share(server)
    else:
        server.later(server.limits.share_delay, lambda: share(server))
    if server.limits.share_in_answer:
        return {"files": [file.payload() for file in drafts]}
    return {"files": [{"id": file.id, "title": file.title or file.name} for file in drafts]}


@dataclass(eq=False)
class _Share:
    """What happens some time after a completion."""

    installation: Installation
    files: list[File]
    places: list[Channel]
    comment: str
    blocks: list[JSON]
    thread: str | None
    lost: bool

    def __call__(self, server: SlackServer) -> None:
        for file in self.files:
            file.processed = True
        standing = [file for file in self.files if not file.deleted]
        for channel in self.places if standing and not self.lost else ():
            post(
                channel,
                self.installation.bot,
                self.comment,
                blocks=self.blocks,
                thread_ts=self.thread,
                files=standing,
                installation=self.installation,
            )
            for file in standing:
                server.world.tell("shared", file=file, channel=channel)
        server.world.notify()


def _drafts(call: Call) -> list[tuple[File, str]]:
    listed = call.read("files")
    if not isinstance(listed, list) or not listed:
        raise SlackError("invalid_arguments", "missing required field: files")
    found = []
    for one in listed:
        file = call.world.files.get(str(one.get("id")) if isinstance(one, dict) else "")
        if file is None or file.owner is not call.installation.bot or file.deleted:
            raise SlackError("file_not_found")
        file.completions += 1
        if file.completed:
            raise SlackError("file_not_found", "this upload is already completed")
        if file.data is None:
            raise SlackError("file_not_found", "nothing was uploaded")
        found.append((file, str(one.get("title") or "")))
    return found


def _places(call: Call) -> list[Channel]:
    """Where the files go. `chat:write.public` doesn't help here: the bot has to be in."""
    one, several = call.text("channel_id"), call.text("channels")
    ids = [one] if one else [id_ for id_ in (several or "").split(",") if id_]
    if call.text("thread_ts") and len(ids) != 1:
        raise SlackError("invalid_arguments", "thread_ts goes with a single channel")
    places = []
    for id_ in ids:
        channel = call.world.channels.get(id_)
        if channel is None or not call.installation.covers(channel.team):
            raise SlackError("channel_not_found")
        if channel.archived:
            raise SlackError("is_archived")
        if not channel.has(call.installation.bot):
            raise SlackError("not_in_channel" if channel.kind == "public" else "channel_not_found")
        places.append(channel)
    return places


def _blocks(call: Call) -> list[JSON]:
    blocks = call.read("blocks", "invalid_blocks_format") or []
    if any(block.get("type") == "markdown" for block in blocks):
        raise SlackError("internal_error")
    return check_blocks(blocks, "message", new_id=lambda: call.world.new_secret(5))


def _file(call: Call) -> File:
    file = call.world.files.get(call.needs("file"))
    if file is None or not call.installation.covers(file.team):
        raise SlackError("file_not_found")
    if file.deleted:
        raise SlackError("file_deleted")
    if not file.visible_to(call.installation):
        raise SlackError("file_not_found")
    return file


def info(call: Call) -> JSON:
    file = _file(call)
    return {"file": file.payload(), "comments": [], "response_metadata": {"next_cursor": ""}}


def delete(call: Call) -> JSON:
    file = _file(call)
    if file.owner is not call.installation.bot:
        raise SlackError("cant_delete_file")
    remove(file)
    return {}


def remove(file: File) -> None:
    """The file is gone, and with it the messages that held nothing else."""
    file.deleted = True
    for share in file.shares:
        message = share.channel.messages[share.ts]
        message.files = [one for one in message.files if one is not file]
        if not message.files and not message.text:
            message.deleted = True
    file.shares = []
    file.world.notify()


FILES = {
    "files.getUploadURLExternal": Method(get_upload_url, 4, ("files:write",)),
    "files.completeUploadExternal": Method(complete, 4, ("files:write",)),
    "files.info": Method(info, 4, ("files:read",)),
    "files.delete": Method(delete, 3, ("files:write",)),
}


class Bytes:
    """Where uploads go and downloads come from."""

    def __init__(self, server: SlackServer) -> None:
        self.server = server
        self.world = server.world

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/upload/v1/{secret}", self._take)
        for path in ("/files-pri/{which}/{name}", "/files-pri/download/{which}/{name}"):
            app.router.add_get(path, self._give)
        app.router.add_get("/files-tmb/{which}/{name}", self._give)
        app.router.add_get("/files-origin/{which}/{name}", self._give)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        """The bytes of an upload, raw or as the first file of a form. No token is wanted."""
        secret = request.match_info["secret"]
        file = next((one for one in self.world.files.values() if one.secret == secret), None)
        if file is None or file.completed:
            await request.read()
            return web.Response(status=404, text="not found")
        data = await _body(request)
        request[NOTE].args = {"file": file.id, "length": len(data)}
        if len(data) != file.length:
            return web.Response(status=400, text=f"expected {file.length} bytes, got {len(data)}")
        file.data = data
        self.world.notify()
        return web.Response(text=f"OK - {len(data)}")

    async def _give(self, request: web.Request) -> web.StreamResponse:
        """The bytes of a file for who has a token, and a login page for all others."""
        note = request[NOTE]
        file = self.world.files.get(request.match_info["which"].partition("-")[2])
        if not self._may(request, file, note) or file is None:
            return page(200, "<title>Sign in to Slack</title>Sign in to your workspace")
        if file.deleted or file.data is None:
            return page(404, "<title>File not found</title>")
        if self.server.limits.redirect_downloads and not request.path.startswith("/files-origin"):
            # Another host, for which clients drop the header.
            base = self.world.base.replace("127.0.0.1", "localhost")
            place = f"{base}/files-origin/{request.match_info['which']}/{request.match_info['name']}"
            return web.Response(status=302, headers={"Location": place})
        return web.Response(body=file.data, content_type=file.mimetype)

    def _may(self, request: web.Request, file: File | None, note: Request) -> bool:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        try:
            token = find_token(self.world, value.strip() if scheme == "Bearer" else None)
        except SlackError as error:
            note.error = error.code
            return False
        if token.installation is None or "files:read" not in token.scopes:
            note.error = "missing_scope"
            return False
        note.authorized = True
        return file is not None and (file.deleted or file.visible_to(token.installation))


async def _body(request: web.Request) -> bytes:
    if request.content_type != "multipart/form-data":
        return await request.read()
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            return bytes(await part.read(decode=False))
    return b""
