"""The terminal: `threadreel ask`.

adapter.py   the platform's side: what the core asks of it
commands.py  ask, get, and what is typed with them
files.py     files of this machine, read and written
render.py    a notice -> a progress bar, lines, tables
"""

from adapters.terminal.adapter import Terminal, place_of
from adapters.terminal.commands import Exit, ask, get, misread
from adapters.terminal.render import Screen, jobs_table

__all__ = ["Exit", "Screen", "Terminal", "ask", "get", "jobs_table", "misread", "place_of"]
