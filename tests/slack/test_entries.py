"""Every way in: slash commands, forms, shortcuts, mentions and messages; in both modes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.jobs import State
from tests.slack.rig import Mode, Rig, slack_rig


@pytest.fixture(params=["socket", "http"])
async def studio(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    mode: Mode = request.param
    async with slack_rig(tmp_path, mode) as rig:
        yield rig


async def test_a_slash_command_becomes_a_card_and_a_result_in_its_thread(studio: Rig) -> None:
    reply = await studio.anna.command("/imagine", "a fox in snow", channel=studio.general)
    assert reply.error is None
    card = await studio.card()
    result = await studio.result()
    job = await studio.ended()
    assert job.state is State.DONE
    assert result.thread_ts == card.ts
    assert result.files[0].sha256 == job.media[0].digest
    assert "a fox in snow" in card.text
    assert "Ready" in card.text
    assert card.metadata == {
        "event_type": "threadreel_job",
        "event_payload": {"job": job.id, "key": f"job-{job.id}"},
    }
    assert studio.is_tidy()
