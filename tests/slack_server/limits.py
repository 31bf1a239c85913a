"""Slack's numbers and the shape of its errors, as its public documentation gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]

MIB = 1024 * 1024

# Calls a minute, per method, workspace and app (https://docs.slack.dev/apis/web-api/rate-limits).
TIERS = {1: 1, 2: 20, 3: 50, 4: 100}


class SlackError(Exception):
    """What the Web API answers as `{"ok": false, "error": code}`, always with status 200.

    `messages` go into `response_metadata`, `more` stands beside the code.
    """

    def __init__(self, code: str, *messages: str, **more: Any) -> None:
        self.code = code
        self.messages = [f"[ERROR] {message}" for message in messages]
        self.more = more
        super().__init__(f"{code}: {'; '.join(messages)}" if messages else code)

    def body(self) -> JSON:
        body: JSON = {"ok": False, "error": self.code, **self.more}
        if self.messages:
            body["response_metadata"] = {"messages": self.messages}
        return body


@dataclass
class Limits:
    """What a test may want to move. Sizes are in bytes, times in seconds."""

    ack: float = 3.0  # of real time
    trigger_life: float = 3.0
    response_url_life: float = 1800.0
    response_url_uses: int = 5
    modal_stack: int = 3
    file_input: int = 10 * MIB  # what a person may put into a modal
    upload: int = 1024 * MIB
    request: int = 1200 * MIB
    text: int = 40_000  # longer texts of messages are cut
    # Between files.completeUploadExternal and the message: the scan for viruses, which takes seconds there.
    share_delay: float = 0.02
    lost_shares: int = 0  # so many of the next completions answer ok and are never shared
    share_in_answer: bool = False  # the answer of a completion rarely tells where the file is
    redirect_downloads: bool = False  # url_private answers 302 to another host, which wants the token too
    file_stubs: bool = False  # as in Slack Connect: events tell only `check_file_info`
    connections: int = 10
    approximate_connection_time: int = 18_060
    # Waits of Slack's retries of events: at once, a minute, five minutes. Made shorter by `pace`.
    event_retries: tuple[float, ...] = (0.0, 60.0, 300.0)
    # Refusals for too many calls are off, but the calls are counted: `server.calls("chat.update")`.
    rate_limits: bool = False
    post_burst: int = 4  # messages at once to one channel, before it is one a second
    posts_per_minute: int = 300  # of one workspace: "several hundred"
    # Windows of rate limits and waits of retries are Slack's, made shorter by this factor. 1.0 is its pace.
    pace: float = 0.01
    token_life: float = 43_200.0  # with rotation
    active_tokens: int = 2
