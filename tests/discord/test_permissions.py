"""What happens where one of the permissions that the invitation asks for is not given."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.jobs import Outcome, State
from tests.discord.rig import stage
from tests.discord_server.limits import P

ORDER = {"start": "a fox in snow", "end": "a fox in flowers"}


@pytest.mark.parametrize(
    "missing",
    [P.SEND_MESSAGES_IN_THREADS, P.CREATE_PUBLIC_THREADS, P.READ_MESSAGE_HISTORY, P.EMBED_LINKS],
    ids=lambda one: str(one.name),
)
async def test_what_is_not_needed_to_post_costs_nobody_a_result(tmp_path: Path, missing: P) -> None:
    async with stage(tmp_path) as on:
        on.general.deny(on.server.bot, missing)
        job = await on.run("animate", ORDER)
        assert (job.state, job.outcome) == (State.DONE, Outcome.READY)
        result = on.message(job)
        assert result.channel in (on.general, on.message(job, "card").thread)
        assert len(result.gallery) == 1
