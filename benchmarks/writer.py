"""What SQLite itself allows: a bare aiosqlite writer that does a job's transactions one after the other."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import aiosqlite

SCHEMA = """
CREATE TABLE jobs (
  id TEXT PRIMARY KEY, key TEXT UNIQUE, actor TEXT, place TEXT, model TEXT, provider TEXT, inputs TEXT,
  state TEXT, created_at REAL, due_at REAL, attempt INTEGER, lease_until REAL, prediction TEXT, outputs TEXT,
  media TEXT, took REAL, cost TEXT, posted TEXT, submitted_at REAL, finished_at REAL, ended_at REAL
);
CREATE INDEX due ON jobs (state, due_at);
CREATE INDEX person ON jobs (actor, created_at);
CREATE INDEX prediction ON jobs (prediction);
"""

MOVES = (
    ("state = 'submitting', attempt = attempt + 1, lease_until = ?", 1),
    ("state = 'running', prediction = 'p' || id, submitted_at = ?", 1),
    ("posted = ?", "posted"),
    ("state = 'fetching', outputs = ?, took = 1.0, cost = '0'", "outputs"),
    ("state = 'delivering', media = ?", "media"),
    ("state = 'done', posted = ?, lease_until = NULL", "posted"),
)
TEXTS = {
    "posted": json.dumps({"key": "0123456789abcdef"}),
    "outputs": json.dumps([{"url": "https://example.com/out.png", "part": "image"}]),
    "media": json.dumps([{"digest": "0" * 64, "kind": "image", "mime": "image/png", "size": 1000}]),
}


async def bare_writer(jobs: int) -> dict[str, float]:
    """The seven transactions of each job, as lasting as ours: a log that every commit waits for."""
    with tempfile.TemporaryDirectory() as folder:
        async with aiosqlite.connect(Path(folder) / "bare.db", isolation_level=None) as file:
            await file.execute("PRAGMA journal_mode=WAL")
            await file.execute("PRAGMA synchronous=FULL")
            await file.executescript(SCHEMA)
            began, cpu = time.perf_counter(), time.process_time()
            for number in range(jobs):
                await _moves(file, number)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"jobs_per_second": jobs / seconds, "jobs_per_cpu_second": jobs / cpu}


async def _moves(file: aiosqlite.Connection, number: int) -> None:
    now = time.time()
    inputs = json.dumps({"prompt": f"picture {number}", "seed": number})
    await file.execute("BEGIN IMMEDIATE")
    await file.execute(
        "INSERT INTO jobs"
        " (id, key, actor, place, model, provider, inputs, state, created_at, due_at, attempt)"
        " VALUES (?, ?, ?, 'notes:wall', 'imagine', 'box', ?, 'queued', ?, ?, 0)",
        (f"job{number}", f"notes:{number}", f"person-{number % 100}", inputs, now, now),
    )
    await file.execute("COMMIT")
    for values, given in MOVES:
        value = TEXTS[given] if isinstance(given, str) else now
        await file.execute("BEGIN IMMEDIATE")
        await file.execute(f"UPDATE jobs SET {values} WHERE id = ?", (value, f"job{number}"))
        await file.execute("COMMIT")
