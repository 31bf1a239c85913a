"""Interactions: what a person did, and the trigger and the response URL that come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.slack_server.apps import App, Installation
from tests.slack_server.blockkit import check_blocks
from tests.slack_server.delivery import Deliverer, Delivery, Kind
from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.messages import Message, post, whisper
from tests.slack_server.state import Channel, Team, User, World
from tests.slack_server.views import View, Views


@dataclass(eq=False)
class Interaction:
    """One thing a person did with the app."""

    id: str  # also the trigger_id
    installation: Installation
    team: Team
    user: User
    created: float
    channel: Channel | None = None
    message: Message | None = None  # where the button was
    view: View | None = None  # in which it happened
    exchanged: bool = False
    opened: View | None = None
    answers: list[Message] = field(default_factory=list)  # by acknowledgement or response_url
    response_uses: int = 0
    delivery: Delivery | None = None

    def exchange(self, now: float, life: float) -> None:
        """Use up the trigger.

        Raises:
            SlackError: it is used, or too old.
        """
        if now - self.created > life:
            raise SlackError("expired_trigger_id")
        if self.exchanged:
            raise SlackError("exchanged_trigger_id")
        self.exchanged = True


class Interactions:
    """All interactions, by trigger and by the secret of their response URL."""

    def __init__(self, world: World, views: Views, deliverer: Deliverer) -> None:
        self.world = world
        self.views = views
        self.deliverer = deliverer
        self.all: dict[str, Interaction] = {}
        self._urls: dict[str, Interaction] = {}

    def begin(
        self,
        installation: Installation,
        user: User,
        *,
        channel: Channel | None = None,
        message: Message | None = None,
        view: View | None = None,
    ) -> Interaction:
        now = self.world.clock()
        trigger = f"{int(now * 1000)}.{len(self.all) + 1}.{self.world.new_secret(32).lower()}"
        interaction = Interaction(trigger, installation, user.team, user, now, channel, message, view)
        self.all[trigger] = interaction
        return interaction

    def send(
        self,
        interaction: Interaction,
        kind: Kind,
        payload: JSON,
        on_ack: Callable[[JSON], None] | None = None,
        times: int = 1,
    ) -> Interaction:
        delivery = Delivery(interaction.installation.app, kind, payload, on_ack)
        interaction.delivery = self.deliverer.send(delivery, times)
        return interaction

    def of_trigger(self, trigger_id: str, app: App) -> Interaction:
        interaction = self.all.get(trigger_id)
        if interaction is None or interaction.installation.app is not app:
            raise SlackError("invalid_trigger_id")
        return interaction

    def response_url(self, interaction: Interaction) -> str:
        secret = self.world.new_secret(24)
        self._urls[secret] = interaction
        kind = "commands" if interaction.message is None else "actions"
        return f"{self.world.base}/{kind}/{interaction.team.id}/{len(self._urls)}/{secret}"

    def forget_expired(self) -> None:
        oldest = self.world.clock() - self.world.limits.response_url_life
        self.all = {id_: one for id_, one in self.all.items() if one.created > oldest}
        self._urls = {key: one for key, one in self._urls.items() if one.id in self.all}

    # -- payloads ------------------------------------------------------------------------------------

    def common(self, interaction: Interaction) -> JSON:
        """What all interactive payloads have. For an org-wide installation `team` is null, as it may be."""
        installation, team, user = interaction.installation, interaction.team, interaction.user
        enterprise = team.enterprise
        of_team: JSON = {"id": team.id, "domain": team.domain}
        if enterprise is not None:
            of_team |= {"enterprise_id": enterprise.id, "enterprise_name": enterprise.name}
        return {
            "team": None if installation.org_wide else of_team,
            "user": {
                "id": user.id,
                "username": user.name,
                "name": user.name,
                "team_id": team.id,
            },
            "api_app_id": installation.app.id,
            "token": "a-deprecated-token",
            "trigger_id": interaction.id,
            "enterprise": {"id": enterprise.id, "name": enterprise.name} if enterprise else None,
            "is_enterprise_install": installation.org_wide,
        }

    # -- answers -------------------------------------------------------------------------------------

    def answer_by_ack(self, interaction: Interaction, payload: JSON) -> None:
        """A command's acknowledgement may hold a message."""
        if payload.get("text") or payload.get("blocks"):
            self._say(interaction, payload)

    def answer_by_url(self, secret: str, payload: Any) -> str | None:
        """A request to a response URL. Returns the error, if there is one."""
        interaction = self._urls.get(secret)
        if interaction is None:
            return "invalid_url"
        limits = self.world.limits
        if self.world.clock() - interaction.created > limits.response_url_life:
            return "expired_url"
        if interaction.response_uses >= limits.response_url_uses:
            return "used_url"
        if not isinstance(payload, dict):
            return "invalid_payload"
        try:
            self._respond(interaction, payload)
        except SlackError as error:
            return error.code
        interaction.response_uses += 1
        return None

    def _respond(self, interaction: Interaction, payload: JSON) -> None:
        original = interaction.message
        if payload.get("delete_original"):
            if original is None:
                raise SlackError("no_original_message")
            if original.ephemeral:
                original.deleted = True
            else:
                original.delete()
            self.world.notify()
        elif payload.get("replace_original"):
            target = original or (interaction.answers[-1] if interaction.answers else None)
            if target is None:
                raise SlackError("no_original_message")
            text, blocks = self._content(payload)
            target.edit(text, blocks, None)
        else:
            self._say(interaction, payload)

    def _say(self, interaction: Interaction, payload: JSON) -> None:
        assert interaction.channel is not None
        text, blocks = self._content(payload)
        bot, thread = interaction.installation.bot, payload.get("thread_ts")
        if payload.get("response_type") == "in_channel":
            said = post(
                interaction.channel,
                bot,
                text,
                blocks=blocks,
                thread_ts=thread,
                installation=interaction.installation,
            )
        else:
            said = whisper(
                interaction.channel,
                bot,
                interaction.user,
                text,
                blocks,
                thread_ts=thread,
                installation=interaction.installation,
            )
        said.unfurl_links, said.unfurl_media = payload.get("unfurl_links"), payload.get("unfurl_media")
        interaction.answers.append(said)

    def _content(self, payload: JSON) -> tuple[str, list[JSON]]:
        text, blocks = payload.get("text") or "", payload.get("blocks") or []
        if not text and not blocks:
            raise SlackError("no_text")
        named = check_blocks(blocks, "message", new_id=lambda: self.world.new_secret(5))
        return str(text)[: self.world.limits.text], named
