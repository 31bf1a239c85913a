"""The crash harness in its short form: deaths at the points that matter most, and two at random."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from tests.prove.crash import Chooser, Plan, run_round
from tests.prove.fuse import of_request

pytestmark = [pytest.mark.prove, pytest.mark.timeout(240)]

POINTS = (
    "store.accept.after",
    "POST /v1/predictions.after",
    "store.submitted.before",
    "commit.within",
    "store.fetched.after",
    "POST /channels/*/messages.after",
    "store.delivered.before",
)
PATIENCE = 6.0


async def test_killed_at_each_of_these_points_nothing_is_lost_paid_twice_or_posted_twice(
    tmp_path: Path,
) -> None:
    chance = random.Random(os.environ.get("THREADREEL_TEST_SEED", "1"))
    plans = [Plan(point, 1, PATIENCE) for point in POINTS]
    plans += [Plan(None, 1, chance.uniform(0.3, 2.0)) for _ in range(2)]
    chooser = Chooser(chance, first=list(plans))
    done = await run_round(tmp_path, chooser, kills=len(plans) + 1, jobs=30, per_second=6, settled=2.0)
    assert done.good, json.dumps(done.as_json(), indent=1)
    assert done.kills == len(plans) + 1
    assert sum(done.at_points.values()) >= len(POINTS) // 2
    assert done.verdict.jobs >= 15
    assert done.verdict.outcomes["ready done"] >= 10


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/api/v10/channels/1575395940162863105/messages", "POST /channels/*/messages"),
        ("GET", "/replicate/v1/predictions/8qnr2j4kynrj00crapbtfewwdg", "GET /v1/predictions/*"),
        ("GET", "/v1/predictions", "GET /v1/predictions"),
        ("GET", "/out/abc/out.png", "GET /out/*"),
        ("POST", "/api/v10/interactions/123/a-token/callback", "POST /interactions/*/*/callback"),
        ("PATCH", "/api/v10/webhooks/1/token/messages/@original", "PATCH /webhooks/*/*/messages/@original"),
    ],
)
def test_a_request_is_named_by_what_it_does(method: str, path: str, name: str) -> None:
    assert of_request(method, path) == name
