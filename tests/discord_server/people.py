"""People who use the bot: what a person does in a client, and what they get for it.

A client checks much before it sends anything: unknown commands, wrong options, dead buttons. Where a client
would refuse, these raise `ClientRefused`, so that a test can't do what no person can.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.discord_server import commands as kinds
from tests.discord_server.components import (
    CHECKBOX,
    CHECKBOXES,
    FILE_UPLOAD,
    LABEL,
    RADIO,
    ROW,
    SELECTS,
    STRING_SELECT,
    TEXT_INPUT,
    walk,
)
from tests.discord_server.interactions import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    IN_BOT_DM,
    IN_GUILD,
    IN_PRIVATE,
    MODAL_SUBMIT,
    Attempt,
    Interaction,
)
from tests.discord_server.limits import JSON, P
from tests.discord_server.messages import Attachment, Message
from tests.discord_server.posting import Form, Upload, create
from tests.discord_server.state import Channel, Role, User

if TYPE_CHECKING:
    from tests.discord_server.server import DiscordServer

File = Upload | tuple[str, bytes] | Path


class ClientRefused(Exception):
    """A real client wouldn't let a person do this."""


def as_upload(file: File) -> Upload:
    if isinstance(file, Upload):
        return file
    if isinstance(file, Path):
        return Upload(file.name, file.read_bytes())
    return Upload(*file)


@dataclass(frozen=True)
class Field:
    """One thing to fill in in a modal, as it stands when it opens."""

    custom_id: str
    label: str
    kind: int
    value: Any
    required: bool
    options: tuple[str, ...]
    component: JSON


@dataclass(frozen=True, eq=False)
class Modal:
    """A modal that the bot opened for one person."""

    reply: Reply
    data: JSON

    @property
    def title(self) -> str:
        return str(self.data["title"])

    @property
    def custom_id(self) -> str:
        return str(self.data["custom_id"])

    @property
    def fields(self) -> list[Field]:
        found = []
        for top in self.data["components"]:
            inner = top.get("component") if top["type"] == LABEL else (top.get("components") or [None])[0]
            if inner is not None:
                found.append(_field(inner, top.get("label") or inner.get("label") or ""))
        return found

    def field(self, name: str) -> Field:
        """By custom id or label."""
        for one in self.fields:
            if name in (one.custom_id, one.label):
                return one
        raise ClientRefused(f"the modal has no field {name!r}, only {[one.label for one in self.fields]}")


def _field(component: JSON, label: str) -> Field:
    kind = component["type"]
    options = tuple(option["value"] for option in component.get("options") or [])
    chosen = [option["value"] for option in component.get("options") or [] if option.get("default")]
    value: Any = {
        TEXT_INPUT: component.get("value") or "",
        RADIO: chosen[0] if chosen else None,
        CHECKBOX: bool(component.get("default")),
        FILE_UPLOAD: [],
    }.get(kind, chosen or [str(one["id"]) for one in component.get("default_values") or []])
    required = kind != CHECKBOX and component.get("required", True) is not False
    return Field(component["custom_id"], label, kind, value, required, options, component)


class Reply:
    """What one person got for one thing they did. It is alive: it shows what is so by now."""

    def __init__(self, server: DiscordServer, interaction: Interaction, delivered: int) -> None:
        self._server = server
        self.interaction = interaction
        self.delivered = delivered  # to how many sessions it went

    @property
    def id(self) -> int:
        return self.interaction.id

    @property
    def ack(self) -> int | None:
        """The type of the acknowledgement: 4, 5, 6, 7, 8 or 9. None: "the application did not respond"."""
        return self.interaction.ack

    @property
    def seconds(self) -> float | None:
        """How long the acknowledgement took."""
        at = self.interaction.acked_at
        return None if at is None else at - self.interaction.created

    @property
    def attempts(self) -> list[Attempt]:
        return self.interaction.attempts

    @property
    def message(self) -> Message | None:
        """The message that answers, or that the component was on; None once it is deleted."""
        original = self.interaction.original
        return None if original is None or original.deleted else original

    @property
    def text(self) -> str:
        return self.message.text if self.message else ""

    @property
    def ephemeral(self) -> bool:
        return self.message is not None and self.message.ephemeral

    @property
    def followups(self) -> list[Message]:
        return [message for message in self.interaction.followups if not message.deleted]

    @property
    def modal(self) -> Modal | None:
        return Modal(self, self.interaction.modal) if self.interaction.modal is not None else None

    @property
    def choices(self) -> list[JSON]:
        return self.interaction.choices or []

    async def acknowledged(self, within: float = 3.0) -> Reply:
        """Wait for the acknowledgement, and return either way: `ack` tells."""
        with contextlib.suppress(TimeoutError):
            await self._server.wait(self.interaction.acknowledged, within)
        return self

    async def answered(self, within: float = 5.0) -> Reply:
        """Wait until a message stands there and no longer "thinks"."""
        return await self.until(lambda reply: bool(reply.message and not reply.message.thinking), within)

    async def until(self, condition: Callable[[Reply], bool], within: float = 5.0) -> Reply:
        """Wait until `condition` holds of this reply.

        Raises:
            TimeoutError: saying what stands there instead.
        """
        try:
            await self._server.until(lambda: condition(self), within)
        except TimeoutError:
            raise TimeoutError(f"not so after {within} s: {self!r}") from None
        return self

    def __repr__(self) -> str:
        return f"<Reply ack={self.ack} text={self.text!r} attempts={self.attempts}>"


class Person:
    """A person with a client. Everything they do returns a `Reply`, after the bot's acknowledgement came, or
    its three seconds passed; `wait=False` doesn't wait. `times` delivers the same interaction more than once.
    """

    def __init__(self, server: DiscordServer, user: User) -> None:
        self._server = server
        self.user = user
        self._closed: set[int] = set()  # interactions whose modal is no longer open

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def name(self) -> str:
        return self.user.name

    @property
    def mention(self) -> str:
        return f"<@{self.user.id}>"

    @property
    def modals(self) -> list[Modal]:
        """The modals that are open before this person, the newest last."""
        opened = [one for one in self._server.interactions.all.values() if one.user is self.user]
        replies = [Reply(self._server, one, 0) for one in opened if one.id not in self._closed]
        return [reply.modal for reply in replies if reply.modal is not None]

    # -- what they do --------------------------------------------------------------------------------

    def say(self, channel: Channel, content: str = "", *, files: Iterable[File] = ()) -> Message:
        """Post a message as a person."""
        self._must_see(channel)
        uploads = {number: as_upload(file) for number, file in enumerate(files)}
        return create(channel, self.user, Form({"content": content}, uploads))

    def delete(self, message: Message) -> None:
        message.delete()

    def dm(self) -> Channel:
        """The channel of this person and the bot."""
        return self._server.world.private_channel(self._server.world.bot, self.user)

    async def command(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        channel: Channel,
        attachments: Mapping[str, File] | None = None,
        locale: str | None = None,
        times: int = 1,
        wait: bool = True,
    ) -> Reply:
        """Use a slash command; subcommands as "jobs cancel".

        Raises:
            ClientRefused: no such command here, or options that a client wouldn't send.
        """
        given = {**(options or {}), **(attachments or {})}
        interaction = self.about_to(name, given, channel=channel, locale=locale)
        return await self._send(interaction, times=times, wait=wait)

    def about_to(
        self, name: str, given: Mapping[str, Any], *, channel: Channel, locale: str | None = None
    ) -> Interaction:
        """The use of a slash command, before it is sent: many can be prepared and then sent at once."""
        command = self._find(kinds.CHAT_INPUT, name.split(" ")[0], channel)
        resolved: JSON = {}
        filled = self._fill(command, name.split(" ")[1:], given, resolved, channel)
        data = self._command_data(command, resolved) | {"options": filled}
        return self._interaction(COMMAND, channel, data, command, name, locale)

    async def autocomplete(
        self,
        name: str,
        option: str,
        typed: str,
        others: Mapping[str, Any] | None = None,
        *,
        channel: Channel,
        locale: str | None = None,
        wait: bool = True,
    ) -> Reply:
        """Type into an option that completes; the suggestions are the reply's `choices`."""
        command = self._find(kinds.CHAT_INPUT, name.split(" ")[0], channel)
        path, given = name.split(" ")[1:], {**(others or {}), option: typed}
        filled = self._fill(command, path, given, {}, channel, focused=option)
        data = self._command_data(command, {}) | {"options": filled}
        return await self._act(AUTOCOMPLETE, channel, data, command, name, locale, wait=wait)

    async def context_menu(
        self,
        name: str,
        target: Message | Person | User,
        *,
        channel: Channel | None = None,
        locale: str | None = None,
        times: int = 1,
        wait: bool = True,
    ) -> Reply:
        """Use a command from the menu of a message or of a person (then with `channel`)."""
        kind = kinds.MESSAGE if isinstance(target, Message) else kinds.USER
        place = channel or (target.channel if isinstance(target, Message) else None)
        if place is None:
            raise ValueError("a person's menu is opened in a channel")
        command = self._find(kind, name, place)
        data = self._command_data(command, self._resolved_target(target, place)) | {
            "target_id": str(target.id)
        }
        return await self._act(COMMAND, place, data, command, name, locale, times=times, wait=wait)

    async def press(
        self,
        message: Message,
        custom_id: str | None = None,
        *,
        label: str | None = None,
        locale: str | None = None,
        times: int = 1,
        wait: bool = True,
    ) -> Reply:
        """Press a button, by its custom id or its label."""
        self._must_see_message(message)
        for button in message.buttons:
            if button.custom_id and (button.custom_id == custom_id or button.label == label):
                if button.disabled:
                    raise ClientRefused(f"the button {button.label!r} is disabled")
                data = {"custom_id": button.custom_id, "component_type": 2, "id": button.component_id}
                return await self._use(message, data, locale, times=times, wait=wait)
        raise ClientRefused(f"no button {custom_id or label!r}, only {[b.label for b in message.buttons]}")

    async def select(
        self,
        message: Message,
        custom_id: str,
        values: Iterable[str],
        *,
        locale: str | None = None,
        times: int = 1,
        wait: bool = True,
    ) -> Reply:
        """Choose in a select menu: strings among its options, or ids of what the server has."""
        self._must_see_message(message)
        chosen = list(values)
        for component in walk(message.components):
            if component.get("custom_id") == custom_id and component["type"] in SELECTS:
                field = _field(component, custom_id)
                if component["type"] == STRING_SELECT:
                    self._check_chosen(field, chosen)
                else:
                    self._check_count(field, len(chosen))
                data = {"custom_id": custom_id, "component_type": component["type"], "values": chosen}
                return await self._use(message, data, locale, times=times, wait=wait)
        raise ClientRefused(f"no select {custom_id!r}")

    async def fill_modal(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        modal: Modal | None = None,
        locale: str | None = None,
        times: int = 1,
        wait: bool = True,
    ) -> Reply:
        """Submit a modal, by default the one that opened last, with `values` by custom id or label.

        What isn't given stays as the modal opened. It closes when the bot acknowledges, and not before.
        """
        opened = self.modals
        if modal is None and not opened:
            raise ClientRefused("no modal is open")
        modal = modal or opened[-1]
        opened_by = modal.reply.interaction
        given = {modal.field(name).custom_id: value for name, value in (values or {}).items()}
        resolved: JSON = {}
        numbered = enumerate(modal.data["components"], 1)
        parts = [self._submitted(top, 2 * n, given, resolved, opened_by.channel) for n, top in numbered]
        data: JSON = {"custom_id": modal.custom_id, "components": parts, "resolved": resolved}
        reply = await self._act(
            MODAL_SUBMIT,
            opened_by.channel,
            data,
            None,
            "",
            locale,
            source=opened_by.source,
            times=times,
            wait=wait,
        )
        if reply.ack is not None or not wait:
            self.dismiss_modal(modal)
        return reply

    def dismiss_modal(self, modal: Modal | None = None) -> None:
        """Close a modal without sending it."""
        self._closed.add((modal or self.modals[-1]).reply.id)

    # -- building interactions -----------------------------------------------------------------------

    def _must_see(self, channel: Channel) -> None:
        if channel.deleted or not channel.permissions_of(self) & P.VIEW_CHANNEL:
            raise ClientRefused(f"{self.name} doesn't see {channel.name or 'that conversation'}")

    def _must_see_message(self, message: Message) -> None:
        self._must_see(message.channel)
        hidden = message.for_user is not None and message.for_user is not self.user
        if message.deleted or hidden:
            raise ClientRefused(f"{self.name} doesn't see that message")
        if message.channel.locked and not message.channel.permissions_of(self) & P.MANAGE_THREADS:
            raise ClientRefused("nothing can be pressed in a locked thread")

    def _find(self, kind: int, name: str, channel: Channel) -> JSON:
        """A command as this person's client offers it in this place."""
        self._must_see(channel)
        command = self._server.registry.find(kind, name, channel.guild)
        if command is None:
            raise ClientRefused(f"there is no command {name!r}")
        context, contexts = self._context(channel), command.get("contexts")
        if contexts is not None and context not in contexts:
            raise ClientRefused(f"{name!r} isn't offered in this kind of place")
        if not self._owners(channel, command):
            raise ClientRefused(f"the application isn't installed for {self.name} here")
        needed = command.get("default_member_permissions")
        may = channel.permissions_of(self)
        if channel.guild is not None and needed is not None:
            allowed = may & P.ADMINISTRATOR or (int(needed) and not int(needed) & ~may)
            if not allowed:
                raise ClientRefused(f"{name!r} isn't offered to {self.name}")
        if channel.guild is not None and not may & P.USE_APPLICATION_COMMANDS:
            raise ClientRefused(f"{self.name} may not use commands here")
        if command.get("nsfw") and channel.guild is not None and not channel.age_restricted:
            raise ClientRefused(f"{name!r} is for age-restricted channels")
        return command

    def _context(self, channel: Channel) -> int:
        if channel.guild is not None:
            return IN_GUILD
        return IN_BOT_DM if self._server.world.bot in channel.recipients else IN_PRIVATE

    def _owners(self, channel: Channel, command: JSON | None) -> dict[str, str]:
        """`authorizing_integration_owners`: through which installation the application is used here."""
        types = {0, 1} if command is None else set(command.get("integration_types") or [0])
        context, owners = self._context(channel), {}
        if 0 in types and context == IN_GUILD and channel.guild is not None and channel.guild.has_bot:
            owners["0"] = str(channel.guild.id)
        if 0 in types and context == IN_BOT_DM:
            owners["0"] = "0"
        if 1 in types and self.user.has_app:
            owners["1"] = str(self.user.id)
        return owners

    def _command_data(self, command: JSON, resolved: JSON) -> JSON:
        data: JSON = {"id": command["id"], "name": command["name"], "type": command["type"]}
        if resolved:
            data["resolved"] = resolved
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        return data

    def _resolved_target(self, target: Message | Person | User, channel: Channel) -> JSON:
        if isinstance(target, Message):
            self._must_see_message(target)
            return {"messages": {str(target.id): target.payload()}}
        resolved: JSON = {}
        self._resolve_user(self._server.world.users[target.id], resolved, channel)
        return resolved

    def _resolve_user(self, user: User, resolved: JSON, channel: Channel) -> None:
        resolved.setdefault("users", {})[str(user.id)] = user.payload()
        if channel.guild is not None and user.id in channel.guild.members:
            member = channel.guild.member_payload(user, channel)
            del member["user"]
            resolved.setdefault("members", {})[str(user.id)] = member

    def _fill(
        self,
        command: JSON,
        path: list[str],
        given: Mapping[str, Any],
        resolved: JSON,
        channel: Channel,
        focused: str | None = None,
    ) -> list[JSON]:
        """The `options` of an interaction, checked as a client checks them."""
        options: list[JSON] = command.get("options") or []
        nested = [option for option in options if option["type"] in (kinds.SUBCOMMAND, kinds.GROUP)]
        if nested:
            name = path[0] if path else None
            for option in nested:
                if option["name"] == name:
                    inside = self._fill(option, path[1:], given, resolved, channel, focused)
                    return [{"type": option["type"], "name": name, "options": inside}]
            raise ClientRefused(f"{command['name']!r} has no subcommand {name!r}")
        unknown = set(given) - {option["name"] for option in options}
        if unknown or path:
            raise ClientRefused(f"{command['name']!r} has no option {sorted(unknown) or path}")
        missing = [o["name"] for o in options if o.get("required") and o["name"] not in given]
        if missing and focused is None:
            raise ClientRefused(f"{command['name']!r} needs {missing}")
        return [
            self._option(option, given[option["name"]], resolved, channel, focused)
            for option in options
            if option["name"] in given
        ]

    def _option(
        self, option: JSON, value: Any, resolved: JSON, channel: Channel, focused: str | None
    ) -> JSON:
        filled = {"name": option["name"], "type": option["type"]}
        if option["name"] == focused:
            if not option.get("autocomplete"):
                raise ClientRefused(f"{option['name']!r} doesn't complete")
            return filled | {"value": value, "focused": True}
        return filled | {"value": self._value(option, value, resolved, channel)}

    def _value(self, option: JSON, value: Any, resolved: JSON, channel: Channel) -> Any:
        kind, name = option["type"], option["name"]
        if kind == kinds.ATTACHMENT:
            return self._attach(value, resolved, channel)
        if isinstance(value, Person | User | Role | Channel):
            return self._resolve(value, resolved, channel)
        types: dict[int, type | tuple[type, ...]] = {
            kinds.STRING: str,
            kinds.INTEGER: int,
            kinds.BOOLEAN: bool,
            kinds.NUMBER: (int, float),
        }
        if not isinstance(value, types.get(kind, ())) or (kind != kinds.BOOLEAN and isinstance(value, bool)):
            raise ClientRefused(f"{value!r} doesn't fit the option {name!r}")
        choices = {choice["name"]: choice["value"] for choice in option.get("choices") or []}
        if choices:
            value = choices.get(value, value)
            if value not in choices.values():
                raise ClientRefused(f"{value!r} isn't among the choices of {name!r}")
        self._check_bounds(option, value)
        return value

    def _check_bounds(self, option: JSON, value: Any) -> None:
        if isinstance(value, bool):
            return
        size = len(value) if isinstance(value, str) else value
        default = (0, 6000) if isinstance(value, str) else (-kinds.LARGEST_INTEGER, kinds.LARGEST_INTEGER)
        names = ("min_length", "max_length") if isinstance(value, str) else ("min_value", "max_value")
        bounds = zip(names, default, strict=True)
        low, high = (default if option.get(name) is None else option[name] for name, default in bounds)
        if not low <= size <= high:
            raise ClientRefused(f"{option['name']!r} must be between {low} and {high}")

    def _resolve(self, thing: Person | User | Role | Channel, resolved: JSON, channel: Channel) -> str:
        if isinstance(thing, Role):
            resolved.setdefault("roles", {})[str(thing.id)] = thing.payload()
        elif isinstance(thing, Channel):
            resolved.setdefault("channels", {})[str(thing.id)] = thing.payload(seen_by=self)
        else:
            self._resolve_user(self._server.world.users[thing.id], resolved, channel)
        return str(thing.id)

    def _attach(self, file: File | Attachment, resolved: JSON, channel: Channel) -> str:
        """Upload a file with a command or a modal: it lies on the CDN, for a while only."""
        if not isinstance(file, Attachment):
            upload = as_upload(file)
            tier = channel.guild.tier if channel.guild else 0
            most = max(self._server.limits.upload_in(tier), self.user.upload_limit)
            if len(upload.data) > most:
                raise ClientRefused(f"{upload.filename} is larger than {most} bytes")
            file = self._server.world.new_file(channel.id, upload.filename, upload.data, ephemeral=True)
        resolved.setdefault("attachments", {})[str(file.id)] = file.payload()
        return str(file.id)

    def _submitted(self, top: JSON, number: int, given: JSON, resolved: JSON, channel: Channel) -> JSON:
        """One top-level component of a modal, as its submission sends it."""
        out: JSON = {"type": top["type"], "id": top.get("id") or number}
        inner = top.get("component") if top["type"] == LABEL else (top.get("components") or [None])[0]
        if inner is None:
            return out
        field = _field(inner, top.get("label") or inner.get("label") or "")
        part = {"type": field.kind, "id": inner.get("id") or number + 1, "custom_id": field.custom_id}
        part |= self._filled(field, given.get(field.custom_id, field.value), resolved, channel)
        return out | ({"components": [part]} if top["type"] == ROW else {"component": part})

    def _filled(self, field: Field, value: Any, resolved: JSON, channel: Channel) -> JSON:
        if field.kind == CHECKBOX:
            return {"value": bool(value)}
        if field.kind == TEXT_INPUT:
            self._check_typed(field, value)
            return {"value": value}
        if field.kind == RADIO:
            if (value is None and field.required) or (value is not None and value not in field.options):
                raise ClientRefused(f"{value!r} isn't among the choices of {field.label!r}")
            return {"value": value}
        values = list(value)
        if field.kind in (STRING_SELECT, CHECKBOXES):
            self._check_chosen(field, values)
        else:
            self._check_count(field, len(values))
        if field.kind == FILE_UPLOAD:
            values = [self._attach(file, resolved, channel) for file in values]
        return {"values": [v if isinstance(v, str) else self._resolve(v, resolved, channel) for v in values]}

    def _check_typed(self, field: Field, value: Any) -> None:
        if not isinstance(value, str):
            raise ClientRefused(f"{field.label!r} takes text")
        low, high = field.component.get("min_length") or 0, field.component.get("max_length") or 4000
        if (field.required and not value) or (value and not low <= len(value) <= high) or len(value) > high:
            raise ClientRefused(f"{field.label!r} takes {max(low, int(field.required))} to {high} characters")

    def _check_chosen(self, field: Field, values: list[str]) -> None:
        if not set(values) <= set(field.options):
            raise ClientRefused(f"{values} aren't among the choices {field.options}")
        self._check_count(field, len(values))

    def _check_count(self, field: Field, count: int) -> None:
        least = field.component.get("min_values")
        least = (1 if field.required else 0) if least is None else least
        most = field.component.get("max_values") or (len(field.options) if field.kind == CHECKBOXES else 1)
        if not (least <= count <= most or (count == 0 and not field.required)):
            raise ClientRefused(f"{field.label!r} takes {least} to {most}")

    # -- sending -------------------------------------------------------------------------------------

    async def _use(
        self, message: Message, data: JSON, locale: str | None, *, times: int, wait: bool
    ) -> Reply:
        place = message.channel
        return await self._act(
            COMPONENT, place, data, None, "", locale, source=message, times=times, wait=wait
        )

    async def _act(
        self,
        kind: int,
        channel: Channel,
        data: JSON,
        command: JSON | None,
        name: str,
        locale: str | None,
        *,
        source: Message | None = None,
        times: int = 1,
        wait: bool = True,
    ) -> Reply:
        interaction = self._interaction(kind, channel, data, command, name, locale, source=source)
        return await self._send(interaction, times=times, wait=wait)

    def _interaction(
        self,
        kind: int,
        channel: Channel,
        data: JSON,
        command: JSON | None,
        name: str,
        locale: str | None,
        *,
        source: Message | None = None,
    ) -> Interaction:
        world = self._server.world
        return Interaction(
            world,
            world.new_id(),
            kind,
            self.user,
            channel,
            data,
            created=world.clock(),
            context=self._context(channel),
            owners=self._owners(channel, command),
            locale=locale or self.user.locale,
            source=source,
            command_type=command["type"] if command else 1,
            name=name,
        )

    async def _send(self, interaction: Interaction, *, times: int, wait: bool) -> Reply:
        self._server.interactions.open(interaction)
        text, delivered = json.dumps(interaction.payload()), 0
        for _ in range(times):
            delivered += self._server.gateway.deliver_interaction(text, interaction.guild)
        reply = Reply(self._server, interaction, delivered)
        if wait:
            await reply.acknowledged(self._server.limits.first_response)
        return reply
