"""The world of the played Slack: workspaces, people, channels, and all that has an id."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tests.slack_server.clock import Clock
from tests.slack_server.limits import JSON, Limits, SlackError

if TYPE_CHECKING:
    from tests.slack_server.apps import App, Installation
    from tests.slack_server.files import File
    from tests.slack_server.messages import Message
    from tests.slack_server.views import View

Kind = Literal["public", "private", "im", "mpim"]
HISTORY = {"public": "channels", "private": "groups", "im": "im", "mpim": "mpim"}
EVENT_OF = {"public": "channels", "private": "groups", "im": "im", "mpim": "mpim"}
CHANNEL_TYPE = {"public": "channel", "private": "group", "im": "im", "mpim": "mpim"}
ALPHABET = string.ascii_uppercase + string.digits


class HasId(Protocol):
    @property
    def id(self) -> str: ...


@dataclass(eq=False)
class Enterprise:
    id: str
    name: str


@dataclass(eq=False)
class User:
    """A person of one workspace, or a bot."""

    id: str
    team: Team
    name: str
    real_name: str = ""
    email: str = ""
    is_admin: bool = False
    is_owner: bool = False
    is_primary_owner: bool = False
    is_guest: bool = False  # a multi-channel guest: `is_restricted`
    is_single_channel_guest: bool = False
    is_org_admin: bool = False
    is_stranger: bool = False
    is_bot: bool = False
    deleted: bool = False
    tz: str = "Europe/Berlin"
    tz_offset: int = 3600
    locale: str = "en-US"
    bot_id: str = ""

    @property
    def restricted(self) -> bool:
        return self.is_guest or self.is_single_channel_guest

    def payload(self, *, locale: bool = False, email: bool = False) -> JSON:
        """The user object of users.info."""
        name = self.real_name or self.name
        profile: JSON = {"real_name": name, "display_name": self.name, "team": self.team.id}
        if email and self.email:
            profile["email"] = self.email
        if self.is_bot:
            profile["bot_id"] = self.bot_id
        user: JSON = {
            "id": self.id,
            "team_id": self.team.id,
            "name": self.name,
            "deleted": self.deleted,
            "real_name": name,
            "tz": self.tz,
            "tz_label": self.tz,
            "tz_offset": self.tz_offset,
            "profile": profile,
            "is_admin": self.is_admin or self.is_owner or self.is_primary_owner,
            "is_owner": self.is_owner or self.is_primary_owner,
            "is_primary_owner": self.is_primary_owner,
            "is_restricted": self.restricted,
            "is_ultra_restricted": self.is_single_channel_guest,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1_700_000_000,
            "is_email_confirmed": True,
        }
        if self.is_stranger:
            user["is_stranger"] = True
        if locale:
            user["locale"] = self.locale
        if self.team.enterprise is not None:
            user["enterprise_user"] = {
                "id": self.id,
                "enterprise_id": self.team.enterprise.id,
                "enterprise_name": self.team.enterprise.name,
                "is_admin": self.is_org_admin,
                "is_owner": False,
                "teams": [self.team.id],
            }
        return user


@dataclass(eq=False)
class Team:
    """A workspace."""

    world: World
    id: str
    name: str
    domain: str
    enterprise: Enterprise | None = None
    users: dict[str, User] = field(default_factory=dict)
    usergroups: list[JSON] = field(default_factory=list)
    # Errors of the workspace's policy for uploads, such as "file_uploads_disabled".
    upload_error: str | None = None

    def channel(
        self, name: str, *members: HasId, private: bool = False, bot: bool = False, app: App | None = None
    ) -> Channel:
        """A channel with these people in it; with `bot` the app's bot user is in too."""
        kind: Kind = "private" if private else "public"
        channel = Channel(self.world, self.world.new_id("C"), self, name, kind)
        self.world.channels[channel.id] = channel
        for member in members:
            channel.members[member.id] = None
        if bot:
            channel.members[self.installation(app).bot.id] = None
        return channel

    def installation(self, app: App | None = None) -> Installation:
        """The installation of an app here, by default of the first app."""
        found = self.installed()
        for installation in found:
            if app is None or installation.app is app:
                return installation
        raise LookupError(f"the app isn't installed in {self.name}")

    def installed(self) -> list[Installation]:
        """All installations that are good here, the oldest first."""
        return [
            installation
            for app in self.world.apps.values()
            for installation in app.installations
            if not installation.removed and installation.covers(self)
        ]

    @property
    def bot(self) -> User:
        return self.installation().bot

    def usergroup(self, handle: str, *members: HasId) -> JSON:
        group = {
            "id": self.world.new_id("S"),
            "team_id": self.id,
            "is_usergroup": True,
            "name": handle,
            "handle": handle,
            "date_delete": 0,
            "users": [member.id for member in members],
            "user_count": len(members),
        }
        self.usergroups.append(group)
        return group

    def payload(self) -> JSON:
        team: JSON = {
            "id": self.id,
            "name": self.name,
            "domain": self.domain,
            "email_domain": "",
            "icon": {"image_default": True},
        }
        if self.enterprise is not None:
            team |= {"enterprise_id": self.enterprise.id, "enterprise_name": self.enterprise.name}
        return team


@dataclass(eq=False)
class Channel:
    """A conversation. `messages` by ts, in the order they came."""

    world: World
    id: str
    team: Team
    name: str
    kind: Kind
    members: dict[str, None] = field(default_factory=dict)
    archived: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[Message]] = field(default_factory=dict)  # replies by the ts of the parent
    created: int = 1_700_000_000

    @property
    def is_direct(self) -> bool:
        return self.kind in ("im", "mpim")

    def has(self, user: HasId) -> bool:
        return user.id in self.members

    def invite(self, *users: HasId) -> None:
        """As `/invite`: people, or a bot."""
        for user in users:
            if user.id not in self.members:
                self.members[user.id] = None
                self.world.tell("joined", channel=self, user=self.world.users[user.id])

    def remove(self, user: HasId) -> None:
        self.members.pop(user.id, None)

    def archive(self) -> None:
        self.archived = True

    def visible(self, thread: str | None = None) -> list[Message]:
        """What stands in the channel, replies with it; with `thread` only that thread, its parent first."""
        found: Iterable[Message] = self.messages.values()
        if thread is not None:
            parent = self.messages.get(thread)
            found = [*([parent] if parent else []), *self.threads.get(thread, [])]
        return [one for one in found if not one.deleted and not one.misplaced]

    def payload(self, viewer: HasId | None = None) -> JSON:
        """The channel object of conversations.info."""
        channel: JSON = {
            "id": self.id,
            "created": self.created,
            "is_archived": self.archived,
            "is_im": self.kind == "im",
            "is_mpim": self.kind == "mpim",
            "is_channel": self.kind == "public",
            "is_group": self.kind == "private",
            "is_private": self.kind != "public",
            "is_org_shared": False,
            "is_shared": False,
            "is_ext_shared": False,
            "context_team_id": self.team.id,
        }
        if self.kind == "im":
            others = [id_ for id_ in self.members if viewer is None or id_ != viewer.id]
            return channel | {"user": others[0], "is_open": True}
        member = viewer is not None and self.has(viewer)
        return channel | {
            "name": self.name,
            "name_normalized": self.name,
            "is_general": False,
            "is_member": member,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


class World:
    """All there is. `listeners` hear what happens, `woken` wakes those who wait for something to change."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.clock = clock
        self.limits = limits
        self.base = ""  # http://127.0.0.1:port, set when the server knows its port
        self.enterprises: dict[str, Enterprise] = {}
        self.teams: dict[str, Team] = {}
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.apps: dict[str, App] = {}
        self.files: dict[str, File] = {}
        self.views: dict[str, View] = {}
        self.ephemerals: list[Message] = []
        self.listeners: list[Callable[..., object]] = []
        self.woken: Callable[[], None] | None = None
        self._chance = random.Random(4)
        self._last_micros = 0

    # -- telling -------------------------------------------------------------------------------------

    def tell(self, what: str, **about: Any) -> None:
        """Something happened: "posted", "changed", "deleted", "shared", "joined"."""
        for listener in self.listeners:
            listener(what, **about)
        self.notify()

    def notify(self) -> None:
        if self.woken is not None:
            self.woken()

    # -- making --------------------------------------------------------------------------------------

    def new_id(self, prefix: str) -> str:
        return prefix + "0" + "".join(self._chance.choices(ALPHABET, k=9))

    def new_secret(self, length: int = 24) -> str:
        return "".join(self._chance.choices(string.ascii_letters + string.digits, k=length))

    def new_ts(self) -> str:
        """Seconds and microseconds, above all before."""
        self._last_micros = max(self._last_micros + 1, int(self.clock() * 1_000_000))
        return f"{self._last_micros // 1_000_000}.{self._last_micros % 1_000_000:06d}"

    def new_enterprise(self, name: str) -> Enterprise:
        enterprise = Enterprise(self.new_id("E"), name)
        self.enterprises[enterprise.id] = enterprise
        return enterprise

    def new_team(self, name: str, enterprise: Enterprise | None = None) -> Team:
        domain = "".join(letter for letter in name.lower() if letter.isalnum())
        team = Team(self, self.new_id("T"), name, domain, enterprise)
        self.teams[team.id] = team
        return team

    def new_user(self, team: Team, name: str, **more: Any) -> User:
        user = User(self.new_id("U"), team, name, **more)
        if not user.email and not user.is_bot:
            user.email = f"{name.lower().replace(' ', '.')}@example.org"
        self.users[user.id] = user
        team.users[user.id] = user
        return user

    def direct(self, team: Team, *people: HasId) -> Channel:
        """The conversation of two people or a group, made when it isn't there."""
        wanted = {person.id for person in people}
        for channel in self.channels.values():
            if channel.is_direct and set(channel.members) == wanted:
                return channel
        group = len(wanted) > 2
        name = "mpdm-" + "--".join(self.users[id_].name for id_ in wanted) if group else ""
        channel = Channel(self, self.new_id("G" if group else "D"), team, name, "mpim" if group else "im")
        channel.members.update(dict.fromkeys(person.id for person in people))
        self.channels[channel.id] = channel
        return channel

    # -- asking --------------------------------------------------------------------------------------

    def named(self, team: Team, name: str) -> Channel | None:
        for channel in self.channels.values():
            if channel.team is team and channel.name == name:
                return channel
        return None

    def find_view(self, view_id: str) -> View:
        view = self.views.get(view_id)
        if view is None:
            raise SlackError("not_found")
        return view
