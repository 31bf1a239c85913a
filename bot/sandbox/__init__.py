"""A local server that speaks Replicate's API and draws with the CPU.

server.py          Sandbox: one server, put together; serve() gives its address
replicate_api.py   Replicate's endpoints
files_api.py       Replicate's Files API
gateway_api.py     the two endpoints of gateways, and their way to refuse
delivery.py        results, by address
admin.py           /sandbox/*: misbehaviour and figures
guard.py           what stands before every endpoint: token, budget, misbehaviour
creation.py        a request that asks for a prediction -> the prediction
workshop.py        what all endpoints share: models, predictions, files, the runner
predictions.py     the life of a prediction, and the book of all of them
wire.py            a prediction as requests see it
running.py         predictions that are drawn by worker threads
prepared.py        predictions that only take time: for benchmarks
inputs.py          checks of inputs, defaults
fetching.py        the bytes of file inputs
schema.py          a model's OpenAPI document, as Cog would write it
files.py           bytes that are kept for a while
webhooks.py        signed calls to whoever asked for them
budgets.py         requests a minute
misbehaviour.py    faults on demand
refusals.py        answers that say no
work.py            what is handed to the drawing, and what comes back
art/               the drawing
"""

from __future__ import annotations

from bot.sandbox.misbehaviour import Rule
from bot.sandbox.prepared import Prepared
from bot.sandbox.server import Sandbox, serve

__all__ = ["Prepared", "Rule", "Sandbox", "serve"]
