"""People who use the app: what a person does in a client, and what they get for it.

A client checks much before it sends anything: unknown commands, missing fields, commands inside threads.
Where a client would refuse, these raise `ClientRefused`, so that a test can't do what no person can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tests.slack_server import browser
from tests.slack_server.apps import App, Installation
from tests.slack_server.delivery import Kind
from tests.slack_server.files import AnyFile, File, as_upload, upload_of_person
from tests.slack_server.forms import (
    ClientRefused,
    Field,
    check_before_submit,
    fields_of,
    find_field,
    put_in,
    state_of,
    state_values,
)
from tests.slack_server.interactions import Interaction
from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.messages import Message, post, walk
from tests.slack_server.replies import Reply
from tests.slack_server.state import Channel, User
from tests.slack_server.views import Key, View
from tests.slack_server.words import as_typed, escaped, rich_text, with_smart_quotes

if TYPE_CHECKING:
    from tests.slack_server.server import SlackServer

Place = Message | View


class Person:
    """A person with a client. Everything they do returns a `Reply`, after the app acknowledged or its three
    seconds passed; `wait=False` doesn't wait. `times` delivers the same envelope more than once.
    """

    def __init__(self, server: SlackServer, user: User) -> None:
        self._server = server
        self.user = user
        self._filled: dict[str, dict[Key, JSON]] = {}  # elements of messages, by ts

    @property
    def id(self) -> str:
        return self.user.id

    @property
    def name(self) -> str:
        return self.user.name

    @property
    def mention(self) -> str:
        return f"<@{self.user.id}>"

    # -- what they see -------------------------------------------------------------------------------

    @property
    def views(self) -> list[View]:
        """The modals that are open, the top one last."""
        return list(self._server.views.stack(self.user))

    @property
    def view(self) -> View:
        """The modal on top."""
        if not self.views:
            raise ClientRefused("no modal is open")
        return self.views[-1]

    def home(self, app: App | None = None) -> View | None:
        """The app's Home as it is published for this person."""
        return self._server.views.homes.get(((app or self._server.app).id, self.id))

    @property
    def ephemerals(self) -> list[Message]:
        """What only this person sees, and by now stands."""
        every = self._server.world.ephemerals
        return [one for one in every if one.ephemeral_for is self.user and one.shown and not one.deleted]

    def dm(self, app: App | None = None) -> Channel:
        """The conversation of this person and the app."""
        bot = self.user.team.installation(app).bot
        return self._server.world.direct(self.user.team, bot, self.user)

    # -- talking -------------------------------------------------------------------------------------

    async def say(
        self,
        channel: Channel,
        text: str = "",
        *,
        thread: Message | str | None = None,
        files: Iterable[AnyFile] = (),
        times: int = 1,
        wait: bool = True,
    ) -> Reply:
        """Post a message as a person; `said` is the message. "@name" mentions, "#name" links a channel.

        Raises:
            ClientRefused: not a member, or an app that takes no messages.
        """
        self._must_be_in(channel)
        self._may_write(channel)
        team, world = self.user.team, self._server.world
        stored = as_typed(team, text)
        uploads = [upload_of_person(world, self.user, as_upload(file)) for file in files]
        thread_ts = thread if isinstance(thread, str) or thread is None else thread.thread_ts or thread.ts
        blocks = [rich_text(stored, world.new_secret(5))] if stored else []
        self._server.events.times = times
        said = post(channel, self.user, stored, blocks=blocks, thread_ts=thread_ts, files=uploads)
        for file in uploads:
            world.tell("shared", file=file, channel=channel)
        self._server.events.times = 1
        reply = Reply(self._server, self._server.events.about(said), said=said)
        return await reply.acknowledged() if wait else reply

    async def command(
        self,
        command: str,
        text: str = "",
        *,
        channel: Channel,
        thread: Message | str | None = None,
        smart_quotes: bool = False,
        times: int = 1,
        wait: bool = True,
    ) -> Reply:
        """Use a slash command; `smart_quotes` types as macOS and iOS do.

        Raises:
            ClientRefused: no such command here, or in a thread.
        """
        self._must_be_in(channel)
        if thread is not None:
            raise ClientRefused(f"{command} is not supported in threads. Sorry!")
        installation = self._with_command(command)
        typed = with_smart_quotes(text) if smart_quotes else text
        escape = installation.app.manifest.commands[command].should_escape
        interaction = self._server.interactions.begin(installation, self.user, channel=channel)
        payload = self._command_payload(interaction, channel, command)
        payload["text"] = escaped(self.user.team, typed.strip(), should_escape=escape)

        def on_ack(answer: JSON) -> None:
            self._server.interactions.answer_by_ack(interaction, answer)

        return await self._send(interaction, "slash_commands", payload, on_ack, times=times, wait=wait)

    async def global_shortcut(self, callback_id: str, *, times: int = 1, wait: bool = True) -> Reply:
        """Use a shortcut of the search field or the message box. Guests don't have them."""
        if self.user.restricted:
            raise ClientRefused("guests see no global shortcuts")
        installation = self._with_shortcut(callback_id, "global")
        interaction = self._server.interactions.begin(installation, self.user)
        payload = self._server.interactions.common(interaction) | {
            "type": "shortcut",
            "callback_id": callback_id,
            "action_ts": self._server.world.new_ts(),
        }
        return await self._send(interaction, "interactive", payload, times=times, wait=wait)

    async def message_shortcut(
        self, callback_id: str, message: Message, *, times: int = 1, wait: bool = True
    ) -> Reply:
        """Use a shortcut from the menu of a message, in threads too; ephemeral messages have none."""
        self._must_see(message)
        if message.ephemeral:
            raise ClientRefused("messages that only one person sees have no shortcuts")
        installation = self._with_shortcut(callback_id, "message")
        interaction = self._server.interactions.begin(installation, self.user, channel=message.channel)
        interactions = self._server.interactions
        payload = interactions.common(interaction) | {
            "type": "message_action",
            "callback_id": callback_id,
            "action_ts": self._server.world.new_ts(),
            "channel": self._channel_payload(message.channel),
            "message": message.payload(stub_files=self._server.limits.file_stubs),
            "message_ts": message.ts,
            "response_url": interactions.response_url(interaction),
        }
        return await self._send(interaction, "interactive", payload, times=times, wait=wait)

    # -- messages and views --------------------------------------------------------------------------

    async def press(
        self,
        place: Place,
        which: str | None = None,
        *,
        label: str | None = None,
        value: str | None = None,
        times: int = 1,
        wait: bool = True,
    ) -> Reply:
        """Press a button in a message, modal or App Home: by action_id (`which`), value, or label."""
        self._must_see_place(place)
        wanted = {"action_id": which, "value": value, "label": label}
        given = {name: what for name, what in wanted.items() if what is not None}
        for button in place.buttons:
            if all(getattr(button, name) == what for name, what in given.items()) and given:
                shown = ("text", "value", "style", "url")
                action: JSON = {key: value for key, value in button.element.items() if key in shown}
                action |= {
                    "type": "button",
                    "action_id": button.action_id,
                    "block_id": button.block_id,
                }
                return await self._block_action(place, action, times=times, wait=wait)
        known = [(one.action_id, one.label) for one in place.buttons]
        raise ClientRefused(f"no button {given}, only {known}")

    async def select(
        self, place: Place, which: str, value: Any, *, times: int = 1, wait: bool = True
    ) -> Reply:
        """Choose in an element that tells the app at once: a menu, an overflow, checkboxes, a date."""
        self._must_see_place(place)
        for block, element in walk(place.blocks):
            if element.get("type") == "overflow" and element.get("action_id") == which:
                return await self._overflow(place, block, element, str(value), times=times, wait=wait)
        field = find_field(place.blocks, which)
        if not field.dispatches:
            raise ClientRefused(f"{field.label!r} tells nothing before the modal is submitted: fill it")
        state = self._put(place, field, value, await self._offered(place, field, value))
        action = {**state, "action_id": field.action_id, "block_id": field.block_id}
        return await self._block_action(place, action, times=times, wait=wait)

    async def suggest(self, place: Place, which: str, typed: str, *, wait: bool = True) -> Reply:
        """Type into a select that asks the app for its options; they are the reply's `options`."""
        self._must_see_place(place)
        field = find_field(place.blocks, which)
        if "external" not in field.kind:
            raise ClientRefused(f"{field.label!r} doesn't ask the app")
        interaction, payload = self._in_place(place)
        payload |= {
            "type": "block_suggestion",
            "action_id": field.action_id,
            "block_id": field.block_id,
            "value": typed,
        }
        payload.pop("response_url", None)
        return await self._send(interaction, "interactive", payload, wait=wait)

    def fill_view(self, values: Mapping[str, Any], view: View | None = None) -> View:
        """Put something into fields of the modal on top: by label, block_id or action_id. Nothing is sent."""
        view = view or self.view
        for name, value in values.items():
            field = find_field(view.blocks, name)
            if "external" in field.kind and value is not None:
                raise ClientRefused(f"{field.label!r} asks the app: use `choose`")
            self._put(view, field, value, None)
        return view

    async def choose(self, which: str, value: str, view: View | None = None) -> View:
        """Choose in a modal's select that asks the app for its options. Nothing else is sent."""
        view = view or self.view
        field = find_field(view.blocks, which)
        self._put(view, field, value, await self._offered(view, field, value))
        return view

    async def submit_view(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        view: View | None = None,
        times: int = 1,
        wait: bool = True,
    ) -> Reply:
        """Fill in `values` and submit the modal. What the app answers happens to it: errors, update, push.

        Raises:
            ClientRefused: required fields are empty, numbers out of range and the like.
        """
        view = self.fill_view(values or {}, view)
        if view.submit is None:
            raise ClientRefused("this modal has nothing to submit")
        check_before_submit(view)
        interaction = self._server.interactions.begin(view.installation, self.user, view=view)
        payload = self._server.interactions.common(interaction) | {
            "type": "view_submission",
            "view": view.payload(state_of(view)),
            "response_urls": [],
        }
        reply = Reply(self._server, [], interaction)

        def on_ack(answer: JSON) -> None:
            try:
                self._server.take_submission(interaction, answer)
            except SlackError as error:
                reply.rejected = str(error)

        return await self._send(
            interaction, "interactive", payload, on_ack, times=times, wait=wait, reply=reply
        )

    async def close_view(self, view: View | None = None, *, everything: bool = False) -> Reply:
        """Close the modal on top, or with `everything` (the cross) all of them."""
        view = view or self.view
        everything = everything or bool(view.data.get("clear_on_close"))
        closed = self._server.views.close(view, everything=everything)
        reply = Reply(self._server, [])
        for one in reversed(closed):
            if one.data.get("notify_on_close"):
                interaction = self._server.interactions.begin(one.installation, self.user, view=one)
                payload = self._server.interactions.common(interaction) | {
                    "type": "view_closed",
                    "view": one.payload(state_of(one)),
                    "is_cleared": everything,
                }
                payload.pop("trigger_id")
                self._server.interactions.send(interaction, "interactive", payload)
                assert interaction.delivery is not None
                reply.deliveries.append(interaction.delivery)
        return await reply.acknowledged()

    async def open_home(self, *, tab: str = "home", app: App | None = None, wait: bool = True) -> Reply:
        """Look at the app's Home, or with `tab="messages"` at its DM."""
        installation = self.user.team.installation(app)
        manifest = installation.app.manifest
        if tab == "home" and not manifest.home_tab:
            raise ClientRefused("this app has no Home")
        home = self.home(installation.app)
        view = home.payload() if home and tab == "home" else None
        told = self._server.events.home_opened(self.user, installation, self.dm(installation.app), tab, view)
        reply = Reply(self._server, told)
        return await reply.acknowledged() if wait else reply

    # -- installing ----------------------------------------------------------------------------------

    async def install(self, url: str, *, org_wide: bool = False, deny: bool = False) -> browser.Page:
        """Open an install page, or the authorize URL, in a browser and consent; returns where that ends."""
        return await browser.install(self._server, self.user, url, org_wide=org_wide, deny=deny)

    async def uninstall(self, app: App | None = None) -> Reply:
        """Remove the app from the workspace: tokens_revoked and app_uninstalled go out."""
        if not (self.user.is_admin or self.user.is_owner or self.user.is_primary_owner):
            raise ClientRefused("only admins remove apps")
        reply = Reply(self._server, self._server.uninstall(self.user.team.installation(app)))
        return await reply.acknowledged()

    # -- building ------------------------------------------------------------------------------------

    def _must_be_in(self, channel: Channel) -> None:
        if not channel.has(self):
            raise ClientRefused(f"{self.name} isn't in {channel.name or 'that conversation'}")
        if channel.archived:
            raise ClientRefused(f"{channel.name} is archived")

    def _may_write(self, channel: Channel) -> None:
        for installation in self.user.team.installed():
            own = channel.kind == "im" and channel.has(installation.bot)
            tab = installation.app.manifest.messages_tab
            if own and tab != "on":
                raise ClientRefused(f"sending messages to this app has been turned off ({tab})")

    def _must_see(self, message: Message) -> None:
        channel = message.channel
        if message.deleted or (not channel.has(self) and channel.kind != "public"):
            raise ClientRefused(f"{self.name} doesn't see that message")
        if message.ephemeral_for not in (None, self.user) or not message.shown or message.misplaced:
            raise ClientRefused(f"{self.name} doesn't see that message")

    def _must_see_place(self, place: Place) -> None:
        if isinstance(place, Message):
            self._must_see(place)
        elif place.user is not self.user or place.closed:
            raise ClientRefused(f"{self.name} doesn't see that view")
        elif place.kind == "modal" and place is not self.view:
            raise ClientRefused("another modal is on top of it")

    def _with_command(self, command: str) -> Installation:
        """Of several apps with one name the last installed has it."""
        for installation in reversed(self.user.team.installed()):
            if command in installation.app.manifest.commands and "commands" in installation.scopes:
                return installation
        raise ClientRefused(f"{command} is not a valid command")

    def _with_shortcut(self, callback_id: str, kind: str) -> Installation:
        for installation in self.user.team.installed():
            manifest = installation.app.manifest
            if "commands" not in installation.scopes or not manifest.interactive:
                continue
            for shortcut in manifest.shortcuts:
                if shortcut.kind == kind and callback_id in (shortcut.callback_id, shortcut.name):
                    return installation
        raise ClientRefused(f"there is no {kind} shortcut {callback_id!r}")

    def _command_payload(self, interaction: Interaction, channel: Channel, command: str) -> JSON:
        team, app = self.user.team, interaction.installation.app
        names = {"im": "directmessage", "mpim": channel.name, "private": "privategroup"}
        payload: JSON = {
            "token": "a-deprecated-token",
            "team_id": team.id,
            "team_domain": team.domain,
            "channel_id": channel.id,
            "channel_name": names.get(channel.kind, channel.name),
            "user_id": self.id,
            "user_name": self.name,
            "command": command,
            "text": "",
            "api_app_id": app.id,
            "is_enterprise_install": "true" if interaction.installation.org_wide else "false",
            "response_url": self._server.interactions.response_url(interaction),
            "trigger_id": interaction.id,
        }
        if team.enterprise is not None:
            payload |= {"enterprise_id": team.enterprise.id, "enterprise_name": team.enterprise.name}
        return payload

    def _channel_payload(self, channel: Channel) -> JSON:
        names = {"im": "directmessage", "private": "privategroup"}
        return {"id": channel.id, "name": names.get(channel.kind, channel.name)}

    def _in_place(self, place: Place) -> tuple[Interaction, JSON]:
        """An interaction in a message or view, and what its payload says of the place."""
        interactions = self._server.interactions
        if isinstance(place, View):
            interaction = interactions.begin(place.installation, self.user, view=place)
            container: JSON = {"type": "view", "view_id": place.id}
            return interaction, interactions.common(interaction) | {
                "container": container,
                "view": place.payload(state_of(place)),
            }
        if place.installation is None:
            raise ClientRefused("that is no message of an app")
        interaction = interactions.begin(place.installation, self.user, channel=place.channel, message=place)
        container = {
            "type": "message",
            "message_ts": place.ts,
            "channel_id": place.channel.id,
            "is_ephemeral": place.ephemeral,
        }
        if place.thread_ts is not None:
            container["thread_ts"] = place.thread_ts
        payload = interactions.common(interaction) | {
            "container": container,
            "channel": self._channel_payload(place.channel),
            "state": {"values": state_values(fields_of(place.blocks), self._filled.get(place.ts, {}))},
            "response_url": interactions.response_url(interaction),
        }
        # Of a message that only one person sees, the app is not shown the contents again.
        return interaction, payload if place.ephemeral else payload | {"message": place.payload()}

    async def _block_action(self, place: Place, action: JSON, *, times: int, wait: bool) -> Reply:
        interaction, payload = self._in_place(place)
        if not interaction.installation.app.manifest.interactive:
            raise ClientRefused("this app is not configured to handle interactive responses")
        action["action_ts"] = self._server.world.new_ts()
        payload |= {"type": "block_actions", "actions": [action]}
        return await self._send(interaction, "interactive", payload, times=times, wait=wait)

    async def _overflow(
        self, place: Place, block: JSON, element: JSON, value: str, *, times: int, wait: bool
    ) -> Reply:
        for option in element["options"]:
            if value in (option["value"], option["text"]["text"]):
                action = {
                    "type": "overflow",
                    "action_id": element["action_id"],
                    "block_id": block["block_id"],
                }
                action["selected_option"] = option
                return await self._block_action(place, action, times=times, wait=wait)
        raise ClientRefused(f"{value!r} isn't in that menu")

    async def _offered(self, place: Place, field: Field, value: Any) -> list[JSON] | None:
        """The options that the app offers, of a select that asks it."""
        if "external" not in field.kind:
            return None
        found: list[JSON] = []
        for typed in [value] if isinstance(value, str) else list(value):
            found += (await self.suggest(place, field.action_id, typed)).options
        return found

    def _put(self, place: Place, field: Field, value: Any, offered: list[JSON] | None) -> JSON:
        state = put_in(field, value, self._upload, offered)
        filled = place.filled if isinstance(place, View) else self._filled.setdefault(place.ts, {})
        filled[field.key] = state
        return state

    def _upload(self, file: AnyFile) -> File:
        upload = as_upload(file)
        if len(upload.data) > self._server.limits.file_input:
            raise ClientRefused(f"{upload.filename} is larger than 10 MB")
        return upload_of_person(self._server.world, self.user, upload)

    async def _send(
        self,
        interaction: Interaction,
        kind: Kind,
        payload: JSON,
        on_ack: Callable[[JSON], None] | None = None,
        *,
        times: int = 1,
        wait: bool = True,
        reply: Reply | None = None,
    ) -> Reply:
        reply = reply or Reply(self._server, [], interaction)
        self._server.interactions.send(interaction, kind, payload, on_ack, times)
        assert interaction.delivery is not None
        reply.deliveries.append(interaction.delivery)
        return await reply.acknowledged() if wait else reply
