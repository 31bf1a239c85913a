"""No button of Slack reaches into another workspace, whatever id a tampered client sends."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from bot.jobs import Actor
from tests.rig import eventually
from tests.slack.rig import slack_rig
from tests.test_isolation import NEVER, SECRET, foreign

BEE = Actor("slack", "U77", "Bee", "T78")


async def test_another_workspaces_job_is_as_unknown_as_any(tmp_path: Path) -> None:
    async with slack_rig(tmp_path) as studio:
        await studio.anna.command("/imagine", "a fox", channel=studio.general)
        await studio.ended()
        theirs = await foreign(studio.store, BEE)
        card = await studio.card()
        names = [*(button.action_id for button in card.buttons), "job.cancel", "job.post"]
        assert len(names) >= 8
        for name in names:
            said = []
            for id_ in (theirs.id, NEVER):
                action = {"type": "button", "action_id": name, "block_id": "b", "value": id_}
                reply = await studio.anna._block_action(card, action, times=1, wait=True)
                await eventually(partial(_answer, reply), f"an answer to {name}")
                said.append(_answer(reply).replace(id_, NEVER))
            assert said[0] == said[1], name
            assert SECRET not in said[0]
            while studio.anna.views:
                await studio.anna.close_view()
        assert await studio.store.get(theirs.id) == theirs
        assert len(await studio.jobs()) == 1


def _answer(reply: Any) -> str:
    return reply.text or (json.dumps(reply.view.blocks) if reply.view else "")
