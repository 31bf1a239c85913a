"""Files: uploaded by people or in three steps by the app, shared where they are shared."""

from __future__ import annotations

import hashlib
import io
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from tests.slack_server.apps import Installation
from tests.slack_server.limits import JSON
from tests.slack_server.state import Channel, Team, User, World


@dataclass(frozen=True)
class Upload:
    """A file on its way up."""

    filename: str
    data: bytes


AnyFile = Upload | tuple[str, bytes] | Path


def as_upload(file: AnyFile) -> Upload:
    if isinstance(file, Upload):
        return file
    if isinstance(file, Path):
        return Upload(file.name, file.read_bytes())
    return Upload(*file)


@dataclass(frozen=True)
class Share:
    """Where a file stands: in which message of which conversation."""

    channel: Channel
    ts: str
    thread_ts: str | None


@dataclass(eq=False)
class File:
    """A file. It is a draft until its upload is completed; `data` is None until the bytes came."""

    world: World
    id: str
    team: Team
    owner: User
    name: str
    length: int
    secret: str
    created: float
    title: str = ""
    alt_txt: str | None = None
    data: bytes | None = None
    completed: bool = False
    deleted: bool = False
    # Slack looks at a file before others may use it, as in an image block.
    processed: bool = False
    shares: list[Share] = field(default_factory=list)
    completions: int = 0  # how often somebody tried to complete it
    _picture: tuple[int, int] | None = None

    @property
    def size(self) -> int:
        return self.length if self.data is None else len(self.data)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data or b"").hexdigest()

    @property
    def mimetype(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

    @property
    def url_private(self) -> str:
        return f"{self.world.base}/files-pri/{self.team.id}-{self.id}/{self.name}"

    @property
    def upload_url(self) -> str:
        return f"{self.world.base}/upload/v1/{self.secret}"

    def payload(self, *, stub: bool = False) -> JSON:
        """The file object; with `stub` what an event of Slack Connect tells of it."""
        if stub:
            return {"id": self.id, "mode": "file_access", "file_access": "check_file_info"}
        kind = Path(self.name).suffix.removeprefix(".") or "binary"
        places = [share.channel for share in self.shares]
        file: JSON = {
            "id": self.id,
            "created": int(self.created),
            "timestamp": int(self.created),
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mimetype,
            "filetype": kind,
            "pretty_type": kind.upper(),
            "user": self.owner.id,
            "user_team": self.team.id,
            "editable": False,
            "size": self.size,
            "mode": "hosted",
            "is_external": False,
            "external_type": "",
            "is_public": any(place.kind == "public" for place in places),
            "public_url_shared": False,
            "display_as_bot": False,
            "username": "",
            "url_private": self.url_private,
            "url_private_download": self.url_private.replace("/files-pri/", "/files-pri/download/"),
            "media_display_type": self.mimetype.split("/")[0],
            "permalink": f"https://{self.team.domain}.slack.com/files/{self.owner.id}/{self.id}/{self.name}",
            "has_rich_preview": False,
            "file_access": "visible",
            "channels": [place.id for place in places if place.kind == "public"],
            "groups": [place.id for place in places if place.kind == "private"],
            "ims": [place.id for place in places if place.is_direct],
            "shares": self.shares_payload(),
        }
        size = self._size_of_picture()
        if size is not None:
            file |= {"original_w": size[0], "original_h": size[1]}
            for edge in (64, 80, 160, 360):
                file[f"thumb_{edge}"] = self.url_private.replace("/files-pri/", "/files-tmb/")
        return file

    def shares_payload(self) -> JSON:
        shares: JSON = {}
        for share in self.shares:
            group = shares.setdefault("public" if share.channel.kind == "public" else "private", {})
            one: JSON = {
                "reply_users": [],
                "reply_users_count": 0,
                "reply_count": 0,
                "ts": share.ts,
                "channel_name": share.channel.name,
                "team_id": share.channel.team.id,
                "share_user_id": self.owner.id,
            }
            if share.thread_ts is not None:
                one["thread_ts"] = share.thread_ts
            group.setdefault(share.channel.id, []).append(one)
        return shares

    def visible_to(self, installation: Installation) -> bool:
        """An app sees its own files, and those shared where its bot is, or in public."""
        if not installation.covers(self.team) or self.deleted:
            return False
        if self.owner is installation.bot or not self.shares:
            return self.owner is installation.bot or self.completed
        return any(
            share.channel.kind == "public" or share.channel.has(installation.bot) for share in self.shares
        )

    def _size_of_picture(self) -> tuple[int, int] | None:
        if self._picture is None and self.data and self.mimetype.startswith("image/"):
            try:
                with Image.open(io.BytesIO(self.data)) as picture:
                    self._picture = picture.size
            except (UnidentifiedImageError, OSError):
                return None
        return self._picture


def new_file(world: World, team: Team, owner: User, name: str, length: int) -> File:
    file = File(world, world.new_id("F"), team, owner, name, length, world.new_secret(40), world.clock())
    world.files[file.id] = file
    return file


def upload_of_person(world: World, user: User, upload: Upload) -> File:
    """A file as a person uploads it in a client: at once complete and looked at."""
    file = new_file(world, user.team, user, upload.filename, len(upload.data))
    file.data, file.completed, file.processed = upload.data, True, True
    return file
