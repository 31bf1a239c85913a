"""The Events API: which app hears of what happens. What it isn't told is kept in `withheld`, with why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tests.slack_server.apps import Installation
from tests.slack_server.delivery import Deliverer, Delivery
from tests.slack_server.files import File
from tests.slack_server.limits import JSON
from tests.slack_server.manifest import EVENT_SCOPES
from tests.slack_server.messages import Message
from tests.slack_server.state import CHANNEL_TYPE, EVENT_OF, Channel, Team, User, World


@dataclass(frozen=True)
class Withheld:
    """An event that wasn't sent. `reason`: not_subscribed, missing_scope or not_in_channel."""

    event: str
    reason: str
    payload: JSON


class Events:
    """Listens to the world and sends what apps subscribed to and may hear."""

    def __init__(self, world: World, deliverer: Deliverer) -> None:
        self.world = world
        self.deliverer = deliverer
        self.withheld: list[Withheld] = []
        self.times = 1  # how often events are delivered
        self._about: dict[str, list[Delivery]] = {}  # by ts of the message
        world.listeners.append(self._hear)

    def about(self, message: Message) -> list[Delivery]:
        """The deliveries that told of a message."""
        return self._about.get(message.ts, [])

    # -- what happens --------------------------------------------------------------------------------

    def _hear(self, what: str, **about: Any) -> None:
        if what in ("posted", "changed", "deleted"):
            getattr(self, f"_{what}")(**about)
        elif what == "joined":
            self._joined(**about)
        elif what == "shared":
            self._shared(**about)

    def _posted(self, message: Message) -> None:
        event = message.payload(metadata=True, stub_files=self.world.limits.file_stubs)
        event |= self._place(message.channel)
        if message.installation is None:
            event["client_msg_id"] = self.world.new_secret(32).lower()
        if message.files:
            event["subtype"] = "file_share"
        told = self._tell_of_message(message.channel, event)
        told += self._mentions(message, event)
        self._about[message.ts] = told

    def _mentions(self, message: Message, event: JSON) -> list[Delivery]:
        """A mention of a bot, anywhere but in its own DM."""
        told: list[Delivery] = []
        for installation in message.channel.team.installed():
            name = re.escape(installation.bot.id)
            own = message.author is installation.bot or message.channel.kind == "im"
            if own or not re.search(rf"<@{name}(\|[^>]*)?>", message.fallback):
                continue
            hidden = ("subtype", "channel_type")
            mention = {key: value for key, value in event.items() if key not in hidden}
            mention["type"] = "app_mention"
            told += self.emit(installation, "app_mention", mention, channel=message.channel)
        return told

    def _changed(self, message: Message, before: JSON) -> None:
        if message.ephemeral:
            return
        after = message.payload(metadata=True)
        event = {
            "type": "message",
            "subtype": "message_changed",
            "message": after,
            "previous_message": before,
            "hidden": True,
            "ts": self.world.new_ts(),
            **self._place(message.channel),
        }
        self._tell_of_message(message.channel, event)

    def _deleted(self, message: Message, before: JSON) -> None:
        event = {
            "type": "message",
            "subtype": "message_deleted",
            "previous_message": before,
            "deleted_ts": message.ts,
            "hidden": True,
            "ts": self.world.new_ts(),
            **self._place(message.channel),
        }
        self._tell_of_message(message.channel, event)

    def _place(self, channel: Channel) -> JSON:
        place: JSON = {"channel": channel.id, "channel_type": CHANNEL_TYPE[channel.kind]}
        return place | {"event_ts": self.world.new_ts()}

    def _tell_of_message(self, channel: Channel, event: JSON) -> list[Delivery]:
        told: list[Delivery] = []
        for installation in channel.team.installed():
            # Of a DM between two people an app doesn't even know.
            if channel.is_direct and not channel.has(installation.bot):
                continue
            name = f"message.{EVENT_OF[channel.kind]}"
            told += self.emit(installation, name, event, channel=channel)
        return told

    def _joined(self, channel: Channel, user: User) -> None:
        event = {
            "type": "member_joined_channel",
            "user": user.id,
            "channel_type": "C" if channel.kind == "public" else "G",
            "team": channel.team.id,
            **self._place(channel),
        }
        for installation in channel.team.installed():
            self.emit(installation, "member_joined_channel", event, channel=channel)

    def _shared(self, file: File, channel: Channel) -> None:
        event = {
            "type": "file_shared",
            "file_id": file.id,
            "user_id": file.owner.id,
            "file": {"id": file.id},
            "channel_id": channel.id,
            "event_ts": self.world.new_ts(),
        }
        for installation in channel.team.installed():
            self.emit(installation, "file_shared", event, channel=channel)

    def home_opened(
        self, user: User, installation: Installation, channel: Channel, tab: str, view: JSON | None
    ) -> list[Delivery]:
        event: JSON = {
            "type": "app_home_opened",
            "user": user.id,
            "channel": channel.id,
            "tab": tab,
            "event_ts": self.world.new_ts(),
        }
        if view is not None:
            event["view"] = view
        return self.emit(installation, "app_home_opened", event, team=user.team)

    def revoked(self, installation: Installation, team: Team | None) -> list[Delivery]:
        event: JSON = {
            "type": "tokens_revoked",
            "tokens": {"oauth": [], "bot": [installation.bot.id]},
            "event_ts": self.world.new_ts(),
        }
        return self.emit(installation, "tokens_revoked", event, team=team)

    def uninstalled(self, installation: Installation, team: Team | None) -> list[Delivery]:
        event = {"type": "app_uninstalled", "event_ts": self.world.new_ts()}
        return self.emit(installation, "app_uninstalled", event, team=team)

    # -- telling -------------------------------------------------------------------------------------

    def emit(
        self,
        installation: Installation,
        name: str,
        event: JSON,
        *,
        channel: Channel | None = None,
        team: Team | None = None,
    ) -> list[Delivery]:
        """Send an event, unless the manifest, the scopes or the membership forbid it."""
        reason = self._why_not(installation, name, channel)
        if reason is not None:
            self.withheld.append(Withheld(name, reason, event))
            return []
        place = team or (channel.team if channel else None)
        body = self._envelope(installation, event, place)
        return [self.deliverer.send(Delivery(installation.app, "events_api", body), self.times)]

    def _why_not(self, installation: Installation, name: str, channel: Channel | None) -> str | None:
        scope = EVENT_SCOPES.get(name)
        if name not in installation.app.manifest.events:
            return "not_subscribed"
        if scope is not None and scope not in installation.scopes:
            return "missing_scope"
        if channel is not None and not channel.has(installation.bot):
            return "not_in_channel"
        return None

    def _envelope(self, installation: Installation, event: JSON, team: Team | None) -> JSON:
        enterprise = installation.enterprise or (team.enterprise if team else None)
        authorization = {
            "enterprise_id": enterprise.id if enterprise else None,
            "team_id": team.id if team else None,
            "user_id": installation.bot.id,
            "is_bot": True,
            "is_enterprise_install": installation.org_wide,
        }
        body: JSON = {
            "token": "a-deprecated-token",
            "team_id": team.id if team else None,
            "context_team_id": team.id if team else None,
            "context_enterprise_id": enterprise.id if enterprise else None,
            "api_app_id": installation.app.id,
            "event": event,
            "type": "event_callback",
            "event_id": self.world.new_id("Ev"),
            "event_time": int(self.world.clock()),
            "authorizations": [authorization],
            "is_ext_shared_channel": False,
            "event_context": f"4-{self.world.new_secret(60)}",
        }
        if enterprise is not None:
            body["enterprise_id"] = enterprise.id
        return body
