"""What a person got for one thing they did."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.slack_server.delivery import Delivery
from tests.slack_server.interactions import Interaction
from tests.slack_server.limits import JSON
from tests.slack_server.messages import Message
from tests.slack_server.views import View

if TYPE_CHECKING:
    from tests.slack_server.server import SlackServer


class Reply:
    """It is alive: it shows what is so by now. `deliveries` are what went to the app."""

    def __init__(
        self,
        server: SlackServer,
        deliveries: list[Delivery],
        interaction: Interaction | None = None,
        *,
        said: Message | None = None,
    ) -> None:
        self._server = server
        self._since = len(server.world.ephemerals)
        self.deliveries = deliveries
        self.interaction = interaction
        self.said = said  # by the person
        self.rejected: str | None = None  # what the client makes of an acknowledgement that is wrong

    @property
    def id(self) -> str:
        """The trigger_id, or the id of the event."""
        if self.interaction is not None:
            return self.interaction.id
        return str(self.deliveries[0].payload["event_id"]) if self.deliveries else ""

    @property
    def ack(self) -> JSON | None:
        """The payload of the acknowledgement, {} where it has none. None: it didn't come in time."""
        return next((one.ack for one in self.deliveries if one.ack is not None), None)

    @property
    def seconds(self) -> float | None:
        """How long the acknowledgement took."""
        return next((one.seconds for one in self.deliveries if one.seconds is not None), None)

    @property
    def error(self) -> str | None:
        """What the person sees: "operation_timeout", "dispatch_failed", or what is wrong with the answer."""
        return self.rejected or next((one.error for one in self.deliveries if one.error), None)

    @property
    def attempts(self) -> int:
        """How often it went to the app, retries of events with it."""
        return sum(one.attempts for one in self.deliveries)

    @property
    def view(self) -> View | None:
        """The modal that the app opened or pushed for it."""
        return self.interaction.opened if self.interaction else None

    @property
    def errors(self) -> dict[str, str]:
        """What the app says is wrong in a submitted modal, by block_id."""
        answer = self.ack or {}
        found: dict[str, str] = (
            answer.get("errors") or {} if answer.get("response_action") == "errors" else {}
        )
        return found

    @property
    def options(self) -> list[JSON]:
        """Of a select that asks the app: what it offers."""
        answer = self.ack or {}
        grouped = [option for group in answer.get("option_groups") or [] for option in group["options"]]
        return [*(answer.get("options") or []), *grouped]

    @property
    def answers(self) -> list[Message]:
        """Messages by the acknowledgement and the response URL."""
        return [one for one in (self.interaction.answers if self.interaction else []) if not one.deleted]

    @property
    def ephemerals(self) -> list[Message]:
        """What only this person was shown since, however it was sent."""
        if self.interaction is None:
            user = self.said.author if self.said else None
        else:
            user = self.interaction.user
        recent = self._server.world.ephemerals[self._since :]
        return [one for one in recent if one.ephemeral_for is user and one.shown and not one.deleted]

    @property
    def text(self) -> str:
        """The words of the newest answer or ephemeral message."""
        found = [*self.answers, *self.ephemerals]
        return max(found, key=lambda one: one.ts).text if found else ""

    async def acknowledged(self) -> Reply:
        """Wait for the acknowledgement or the end of waiting for it: `ack` and `error` tell."""
        for delivery in self.deliveries:
            await delivery.settled.wait()
        return self

    async def opened(self, within: float = 5.0) -> View:
        """Wait until a modal is open."""
        await self.until(lambda reply: reply.view is not None, within)
        assert self.view is not None
        return self.view

    async def answered(self, within: float = 5.0) -> Reply:
        """Wait for a message to this person."""
        return await self.until(lambda reply: bool(reply.answers or reply.ephemerals), within)

    async def until(self, condition: Callable[[Reply], bool], within: float = 5.0) -> Reply:
        """Wait until `condition` holds of this reply.

        Raises:
            TimeoutError: saying what there is instead.
        """
        try:
            await self._server.until(lambda: condition(self), within)
        except TimeoutError:
            raise TimeoutError(f"not so after {within} s: {self!r}") from None
        return self

    def __repr__(self) -> str:
        return f"<Reply ack={self.ack} error={self.error} text={self.text!r} view={self.view}>"
