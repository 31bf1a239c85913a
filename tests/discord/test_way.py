"""The way of a command on Discord: acknowledged, a card, a thread with the result."""

from __future__ import annotations

from pathlib import Path

from bot.jobs import Outcome, State
from tests.discord.rig import stage


async def test_a_command_becomes_a_card_and_its_result_hangs_in_a_thread(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        reply = await on.ada.command(
            "animate", {"start": "a fox in snow", "end": "a fox in flowers"}, channel=on.general
        )
        assert reply.ack == 4
        job = await on.ended(reply)
        assert (job.state, job.outcome) == (State.DONE, Outcome.READY)
        card, result = on.message(job, "card"), on.message(job)
        assert card is reply.message
        assert card.thread is result.channel
        assert "/animate start:a fox in snow end:a fox in flowers" in result.text
        assert len(result.gallery) == 1
        assert result.pings.users == {on.ada.id}
        assert on.server.duplicates() == []
