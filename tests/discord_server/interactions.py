"""The life of an interaction: delivered, acknowledged within its seconds, answered within its minutes.

https://docs.discord.com/developers/interactions/receiving-and-responding
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from tests.discord_server.commands import check_choices
from tests.discord_server.components import check_deferral, check_modal
from tests.discord_server.limits import EPHEMERAL, JSON, LOADING, NONE, DiscordError, P, Problems
from tests.discord_server.messages import Message
from tests.discord_server.posting import Form, create, edit, put
from tests.discord_server.state import Channel, Guild, User, World

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5
MESSAGE_NOW, THINKING, UPDATE_LATER, UPDATE_NOW, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
IN_GUILD, IN_BOT_DM, IN_PRIVATE = 0, 1, 2


@dataclass(frozen=True)
class Attempt:
    """One try of the bot to acknowledge: the type it sent and what the server said (code 0: taken)."""

    at: float
    kind: int
    code: int


@dataclass(eq=False)
class Interaction:
    world: World
    id: int
    kind: int
    user: User
    channel: Channel
    data: JSON
    created: float
    context: int
    owners: dict[str, str]
    locale: str
    source: Message | None = None  # the message whose component was used
    command_type: int = 1
    name: str = ""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    ack: int | None = None
    acked_at: float | None = None
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    modal: JSON | None = None
    choices: list[JSON] | None = None
    attempts: list[Attempt] = field(default_factory=list)
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def guild(self) -> Guild | None:
        return self.channel.guild

    @property
    def user_installed_only(self) -> bool:
        return "0" not in self.owners

    @property
    def upload_limit(self) -> int:
        """The largest of the default, the person's own and the server's."""
        tier = self.guild.tier if self.guild else 0
        return max(self.world.limits.upload_in(tier), self.user.upload_limit)

    @property
    def must_be_ephemeral(self) -> bool:
        outside = self.user_installed_only and self.guild is not None
        return outside and not self.channel.permissions_of(self.user) & P.USE_EXTERNAL_APPS

    @property
    def app_permissions(self) -> P:
        everywhere = P.ATTACH_FILES | P.EMBED_LINKS | P.MENTION_EVERYONE
        if self.guild is None:
            return everywhere | (P.USE_EXTERNAL_EMOJIS if self.context == IN_BOT_DM else NONE)
        if self.guild.has_bot:
            return self.channel.permissions_of(self.world.bot)
        return self.channel.permissions_of(self.user) & everywhere

    def payload(self) -> JSON:
        data: JSON = {
            "id": str(self.id),
            "application_id": str(self.world.application_id),
            "type": self.kind,
            "data": self.data,
            "token": self.token,
            "version": 1,
            "channel_id": str(self.channel.id),
            "channel": self.channel.payload(seen_by=self.user),
            "app_permissions": str(int(self.app_permissions)),
            "locale": self.locale,
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": self.owners,
            "context": self.context,
            "attachment_size_limit": self.upload_limit,
        }
        if self.guild is not None:
            data |= {
                "guild_id": str(self.guild.id),
                "guild_locale": self.guild.locale,
                "guild": {
                    "id": str(self.guild.id),
                    "locale": self.guild.locale,
                    "features": self.guild.features,
                },
                "member": self.guild.member_payload(self.user, self.channel),
            }
        else:
            data["user"] = self.user.payload()
        if self.source is not None:
            data["message"] = self.source.payload()
        return data

    def metadata(self) -> JSON:
        """What messages that answer it carry as `interaction_metadata`."""
        data: JSON = {
            "id": str(self.id),
            "type": self.kind,
            "user": self.user.payload(),
            "authorizing_integration_owners": self.owners,
        }
        if self.kind == COMMAND:
            data |= {"name": self.name, "command_type": self.command_type}
        elif self.source is not None and self.kind == COMPONENT:
            data["interacted_message_id"] = str(self.source.id)
        elif self.kind == MODAL_SUBMIT:
            data["triggering_interaction_metadata"] = {**data, "type": COMMAND, "name": ""}
        return data


class Interactions:
    """All interactions, and what the bot may do with each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.all: dict[int, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}

    def open(self, interaction: Interaction) -> None:
        self.all[interaction.id] = interaction
        self._by_token[interaction.token] = interaction

    def forget_expired(self) -> None:
        """Let go of what can't be answered any more, as a long measurement needs."""
        oldest = self._world.clock() - self._world.limits.interaction_life
        for interaction in [one for one in self.all.values() if one.created < oldest]:
            del self.all[interaction.id]
            del self._by_token[interaction.token]

    # -- acknowledging -------------------------------------------------------------------------------

    def respond(self, interaction_id: int, token: str, form: Form) -> Interaction:
        """Take an acknowledgement, or raise why not: 10062 too late, 40060 twice, 50035 malformed."""
        interaction = self.all.get(interaction_id)
        if interaction is None or interaction.token != token:
            raise DiscordError(10062)
        kind, now = int(form.body.get("type") or 0), self._world.clock()
        try:
            self._check_in_time(interaction, now)
            self._take(interaction, kind, form)
        except DiscordError as error:
            interaction.attempts.append(Attempt(now, kind, error.code))
            self._world.notify()
            raise
        interaction.attempts.append(Attempt(now, kind, 0))
        interaction.ack, interaction.acked_at = kind, now
        interaction.acknowledged.set()
        self._world.notify()
        return interaction

    def _check_in_time(self, interaction: Interaction, now: float) -> None:
        age = now - interaction.created
        if interaction.ack is not None:
            raise DiscordError(40060 if age < self._world.limits.interaction_life else 10062)
        if age > self._world.limits.first_response:
            raise DiscordError(10062)

    def _take(self, interaction: Interaction, kind: int, form: Form) -> None:
        if kind not in self._kinds_for(interaction):
            problems = Problems()
            message = f"Value must be one of {sorted(self._kinds_for(interaction))}."
            problems.add(("type",), "INTERACTION_TYPE_INVALID", message)
            problems.raise_if_any()
        data = form.inner("data")
        if kind == CHOICES:
            interaction.choices = self._checked_choices(interaction, data.body)
        elif kind == MODAL:
            check_modal(data.body)
            interaction.modal = data.body
        elif kind == UPDATE_LATER:
            interaction.original = interaction.source
        elif kind == UPDATE_NOW:
            interaction.original = self._update(interaction, data)
        else:
            self._check_channel(interaction)
            answer = self._thinking if kind == THINKING else self._answer
            interaction.original = answer(interaction, data)

    def _kinds_for(self, interaction: Interaction) -> set[int]:
        if interaction.kind == AUTOCOMPLETE:
            return {CHOICES}
        kinds = {MESSAGE_NOW, THINKING}
        if interaction.source is not None:
            kinds |= {UPDATE_LATER, UPDATE_NOW}
        return kinds if interaction.kind == MODAL_SUBMIT else kinds | {MODAL}

    def _checked_choices(self, interaction: Interaction, data: JSON) -> list[JSON]:
        choices: list[JSON] = data.get("choices") or []
        problems = Problems()
        focused = _focused(interaction.data.get("options") or [])
        check_choices(choices, focused["type"], problems, ("data", "choices"))
        problems.raise_if_any()
        return choices

    def _check_channel(self, interaction: Interaction) -> None:
        if interaction.channel.deleted:
            raise DiscordError(10003)
        locked = interaction.channel.locked
        if locked and not interaction.app_permissions & P.MANAGE_THREADS:
            raise DiscordError(50083)

    def _thinking(self, interaction: Interaction, data: Form) -> Message:
        check_deferral(data.body)
        flags = LOADING | self._eyes(interaction, data.body)
        message = self._new(interaction, flags)
        put(message)
        return message

    def _new(self, interaction: Interaction, flags: int) -> Message:
        world = self._world
        kind = 23 if interaction.command_type != 1 else 20
        message = Message(
            world,
            world.new_id(),
            interaction.channel,
            world.bot,
            created=world.clock(),
            kind=kind if interaction.kind == COMMAND else 0,
            flags=flags,
            by_webhook=True,
            interaction=interaction.metadata(),
        )
        message.for_user = interaction.user if flags & EPHEMERAL else None
        return message

    def _answer(self, interaction: Interaction, data: Form) -> Message:
        data.within(interaction.upload_limit)
        like = self._new(interaction, self._eyes(interaction, data.body))
        more = {"kind": like.kind, "interaction": like.interaction, "for_user": like.for_user}
        return create(like.channel, like.author, data, flags=like.flags, by_webhook=True, **more)

    def _eyes(self, interaction: Interaction, body: JSON) -> int:
        """EPHEMERAL when it was asked for or is forced on an app that isn't in the server."""
        asked = int(body.get("flags") or 0) & EPHEMERAL
        return asked or (EPHEMERAL if interaction.must_be_ephemeral else 0)

    def _update(self, interaction: Interaction, data: Form) -> Message:
        if interaction.source is None or interaction.source.deleted:
            raise DiscordError(10008)
        data.within(interaction.upload_limit)
        return edit(interaction.source, data)

    # -- afterwards ----------------------------------------------------------------------------------

    def by_token(self, application_id: int, token: str) -> Interaction:
        """The interaction behind a token: 10015 when unknown or not acknowledged, 50027 when too old."""
        interaction = self._by_token.get(token)
        if application_id != self._world.application_id or interaction is None or interaction.ack is None:
            raise DiscordError(10015)
        if self._world.clock() - interaction.created > self._world.limits.interaction_life:
            raise DiscordError(50027)
        return interaction

    def message(self, interaction: Interaction, which: str) -> Message:
        """`@original` or a follow-up by its id; what is deleted, or another's, is 10008."""
        if which == "@original":
            found = interaction.original
        else:
            own = [*interaction.followups, interaction.original, interaction.source]
            found = next((one for one in own if one is not None and str(one.id) == which), None)
        if found is None or found.deleted:
            raise DiscordError(10008)
        return found

    def edit(self, interaction: Interaction, which: str, form: Form) -> Message:
        message = self.message(interaction, which)
        self._check_channel(interaction)
        if message.channel.archived:
            raise DiscordError(50083)
        form.within(interaction.upload_limit)
        return edit(message, form)

    def follow_up(self, interaction: Interaction, form: Form) -> Message:
        """A further message; right after a deferral it edits the one that is still thinking instead."""
        original = interaction.original
        if original is not None and original.thinking and not original.deleted:
            return self.edit(interaction, "@original", form)
        most = self._world.limits.user_install_followups
        if interaction.user_installed_only and len(interaction.followups) >= most:
            raise DiscordError(40094)
        self._check_channel(interaction)
        message = self._answer(interaction, form)
        interaction.followups.append(message)
        self._world.notify()
        return message


def _focused(options: list[JSON]) -> JSON:
    for option in options:
        if option.get("focused"):
            return option
        if option.get("options"):
            return _focused(option["options"])
    return {"type": 3}


def callback_answer(interaction: Interaction) -> JSON:
    """The body of a callback that asked `with_response`."""
    original = interaction.original
    made = interaction.ack in (MESSAGE_NOW, THINKING, UPDATE_NOW)
    about: JSON = {"id": str(interaction.id), "type": interaction.kind}
    if made and original is not None:
        about |= {
            "response_message_id": str(original.id),
            "response_message_loading": original.thinking,
            "response_message_ephemeral": original.ephemeral,
        }
    resource: JSON = {"type": interaction.ack}
    if made and original is not None:
        resource["message"] = original.payload()
    return {"interaction": about, "resource": resource}
