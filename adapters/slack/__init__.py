"""Slack: commands, forms, shortcuts and mentions in; cards, results and words out.

adapter.py    the platform: listens, shows notices
listeners.py  slack-bolt's listeners: acknowledge, then begin
sockets.py    Socket Mode
http.py       HTTP mode
commands.py   what comes in -> calls of the core
forms.py      models -> modals and back; pure
render.py     posts and lists -> Block Kit; pure
delivery.py   cards and files into channels, each once
budget.py     turns: what Slack allows in a minute, shared fairly; pure
calls.py      calls of the Web API
clients.py    who may speak in which workspace: in one, by its token
tokens.py     the same in many, with tokens renewed in time
installs.py   where the app is installed, sealed in the store
pages.py      the pages that install it
manifest.py   all that Slack must know of the app
checks.py     what `threadreel doctor` finds of Slack
people.py     names, languages, rights
whispers.py   words to one person
files.py      private files in
places.py     where something stands
"""

from __future__ import annotations

from adapters.slack.adapter import Slack
from adapters.slack.clients import Clients
from adapters.slack.pages import install_routes
from adapters.slack.tokens import ManyClients, clients_for

__all__ = ["Clients", "ManyClients", "Slack", "clients_for", "install_routes"]
