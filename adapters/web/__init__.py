"""The page: a chat with channels and threads, served to browsers.

adapter.py    the platform: shows notices, serves the page
sessions.py   one-time links, sessions, who is asking
commands.py   what the page sends -> calls of the core
render.py     posts and models -> what the page is told; pure
events.py     the stream of events that the page follows
files.py      uploads in, kept media and the page's own files out
static/       the page itself
"""

from __future__ import annotations

from adapters.web.adapter import Web
from adapters.web.sessions import make_login

__all__ = ["Web", "make_login"]
