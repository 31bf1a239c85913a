"""Modals and App Homes: what the app opened for whom, and the stack that it stands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.slack_server.apps import App, Installation
from tests.slack_server.blockkit import check_view
from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.messages import Button, buttons_of, texts_of, walk
from tests.slack_server.state import Team, User, World

if TYPE_CHECKING:
    from tests.slack_server.interactions import Interaction

Key = tuple[str, str]  # block_id and action_id


@dataclass(eq=False)
class View:
    """A modal or an App Home. `filled` is what the person put in by now, as state of each element."""

    id: str
    installation: Installation
    team: Team
    user: User
    data: JSON
    hash: str
    root_id: str
    previous_id: str | None = None
    filled: dict[Key, JSON] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)  # by block_id, as the app answered
    updates: int = 0
    closed: bool = False

    @property
    def app(self) -> App:
        return self.installation.app

    @property
    def kind(self) -> str:
        return str(self.data["type"])

    @property
    def blocks(self) -> list[JSON]:
        return list(self.data["blocks"])

    @property
    def title(self) -> str:
        return str((self.data.get("title") or {}).get("text", ""))

    @property
    def submit(self) -> str | None:
        """The label of the button that sends it."""
        label = (self.data.get("submit") or {}).get("text")
        return None if label is None else str(label)

    @property
    def callback_id(self) -> str:
        return str(self.data.get("callback_id") or "")

    @property
    def private_metadata(self) -> str:
        return str(self.data.get("private_metadata") or "")

    @property
    def external_id(self) -> str:
        return str(self.data.get("external_id") or "")

    @property
    def text(self) -> str:
        return "\n".join(texts_of(self.blocks))

    @property
    def buttons(self) -> list[Button]:
        return buttons_of(self.blocks)

    def payload(self, state: JSON | None = None) -> JSON:
        """The view object."""
        view: JSON = {
            "id": self.id,
            "team_id": self.team.id,
            "type": self.kind,
            "blocks": self.blocks,
            "private_metadata": self.private_metadata,
            "callback_id": self.callback_id,
            "state": {"values": state or {}},
            "hash": self.hash,
            "title": self.data.get("title"),
            "clear_on_close": bool(self.data.get("clear_on_close")),
            "notify_on_close": bool(self.data.get("notify_on_close")),
            "close": self.data.get("close"),
            "submit": self.data.get("submit"),
            "previous_view_id": self.previous_id,
            "root_view_id": self.root_id,
            "app_id": self.app.id,
            "external_id": self.external_id,
            "app_installed_team_id": self.installation.bot.team.id
            if not self.installation.org_wide
            else self.team.id,
            "bot_id": self.installation.bot.bot_id,
        }
        if self.kind == "home":
            view["title"] = {"type": "plain_text", "text": "View Title", "emoji": True}
        return view

    def __repr__(self) -> str:
        return f"<View {self.title!r} {self.callback_id!r} of {self.user.name}>"


class Views:
    """The modals that are open before people, and their App Homes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stacks: dict[str, list[View]] = {}  # by user id; the last is on top
        self.homes: dict[tuple[str, str], View] = {}  # by app id and user id

    def stack(self, user: User) -> list[View]:
        return self.stacks.setdefault(user.id, [])

    # -- what the app does ---------------------------------------------------------------------------

    def open(self, interaction: Interaction, data: Any) -> View:
        """A modal in place of all that are open."""
        checked = self._checked(data, "modal", interaction.installation)
        self._unique(checked, interaction.team, None)
        interaction.exchange(self.world.clock(), self.world.limits.trigger_life)
        for old in self.stack(interaction.user):
            old.closed = True
        self.stacks[interaction.user.id] = []
        return self._put(interaction.installation, interaction.team, interaction.user, checked, interaction)

    def push(self, interaction: Interaction, data: Any) -> View:
        """A modal on top of that in which the interaction was."""
        checked = self._checked(data, "modal", interaction.installation)
        self._unique(checked, interaction.team, None)
        stack = self.stack(interaction.user)
        if len(stack) >= self.world.limits.modal_stack:
            raise SlackError("push_limit_reached")
        if not stack or interaction.view is None or interaction.view.kind != "modal":
            raise SlackError("not_found")
        interaction.exchange(self.world.clock(), self.world.limits.trigger_life)
        return self._put(interaction.installation, interaction.team, interaction.user, checked, interaction)

    def push_by_ack(self, view: View, data: Any) -> View:
        """As `push`, in the answer to a submission."""
        checked = self._checked(data, "modal", view.installation)
        if len(self.stack(view.user)) >= self.world.limits.modal_stack:
            raise SlackError("push_limit_reached")
        return self._put(view.installation, view.team, view.user, checked, None)

    def update(self, view: View, data: Any, hash_: str | None = None) -> View:
        """Change a modal. What a person put in stays, where block_id and action_id stay."""
        if view.closed:
            raise SlackError("not_found")
        if hash_ is not None and hash_ != view.hash:
            raise SlackError("hash_conflict")
        checked = self._checked(data, view.kind, view.installation)
        self._unique(checked, view.team, view)
        view.data, view.hash = checked, self._new_hash()
        view.errors = {}
        view.updates += 1
        self.world.notify()
        return view

    def publish(self, installation: Installation, user: User, data: Any, hash_: str | None = None) -> View:
        """Set a person's App Home."""
        if not installation.app.manifest.home_tab:
            raise SlackError("not_enabled")
        key = (installation.app.id, user.id)
        home = self.homes.get(key)
        if home is not None:
            return self.update(home, data, hash_)
        checked = self._checked(data, "home", installation)
        home = View(self.world.new_id("V"), installation, user.team, user, checked, self._new_hash(), "")
        home.root_id = home.id
        self.homes[key] = self.world.views[home.id] = home
        self.world.notify()
        return home

    def find(self, view_id: str | None, external_id: str | None, installation: Installation) -> View:
        for view in self.world.views.values():
            known = view.id == view_id or (external_id and view.external_id == external_id)
            if known and view.app is installation.app:
                return view
        raise SlackError("not_found")

    # -- what the person does ------------------------------------------------------------------------

    def close(self, view: View, *, everything: bool = False) -> list[View]:
        """Take a modal off the stack, with all that stand on it; returns what closed."""
        stack = self.stack(view.user)
        if view not in stack:
            return []
        at = 0 if everything else stack.index(view)
        gone = stack[at:]
        self.stacks[view.user.id] = stack[:at]
        for one in gone:
            one.closed = True
        self.world.notify()
        return gone

    # -- common --------------------------------------------------------------------------------------

    def _checked(self, data: Any, kind: str, installation: Installation) -> JSON:
        def known(file_id: str) -> bool:
            file = self.world.files.get(file_id)
            return file is not None and file.processed and not file.deleted

        checked = check_view(data, kind=kind, image_known=known, new_id=lambda: self.world.new_secret(5))
        asks_for_files = any(element.get("type") == "file_input" for _, element in walk(checked["blocks"]))
        if asks_for_files and "files:read" not in installation.scopes:
            raise SlackError("invalid_arguments", "file_input takes the scope files:read")
        return checked

    def _unique(self, data: JSON, team: Team, but: View | None) -> None:
        external = data.get("external_id")
        for view in self.world.views.values() if external else ():
            if view is not but and view.team is team and view.external_id == external and not view.closed:
                raise SlackError("duplicate_external_id")

    def _put(
        self,
        installation: Installation,
        team: Team,
        user: User,
        data: JSON,
        interaction: Interaction | None,
    ) -> View:
        stack = self.stack(user)
        view = View(self.world.new_id("V"), installation, team, user, data, self._new_hash(), "")
        view.root_id = stack[0].id if stack else view.id
        view.previous_id = stack[-1].id if stack else None
        stack.append(view)
        self.world.views[view.id] = view
        if interaction is not None:
            interaction.opened = view
        self.world.notify()
        return view

    def _new_hash(self) -> str:
        return f"{int(self.world.clock())}.{self.world.new_secret(8)}"
