"""Each server's own rules: what can be set, where it comes from, and what follows from it. Pure.

scope.py     what a setting holds for, and the shapes in which settings are passed about
keys.py      every setting that there is
values.py    its value: as it is typed, and as it is kept
changes.py   settings changed, all or none
toml.py      settings as a file
filters.py   blocked words, however they are written, and patterns
layers.py    the rules of one server, compiled, and what they say of a job
decide.py    what is asked of them, and what they answer
periods.py   days and months of a time zone
"""

from bot.rules.changes import apply, differences
from bot.rules.decide import Allowances, Ask, Block
from bot.rules.keys import GROUPS, KEYS, Key, Kind, all_names, complete, find_key
from bot.rules.layers import Rulebook
from bot.rules.periods import day_of, iso, month_of
from bot.rules.scope import SERVER, Change, Changed, Entry, Scope, ScopeKind, Shown
from bot.rules.toml import LARGEST_FILE, defaults, read_toml, write_toml
from bot.rules.values import read, suggestions, text_of

__all__ = [
    "GROUPS",
    "KEYS",
    "LARGEST_FILE",
    "SERVER",
    "Allowances",
    "Ask",
    "Block",
    "Change",
    "Changed",
    "Entry",
    "Key",
    "Kind",
    "Rulebook",
    "Scope",
    "ScopeKind",
    "Shown",
    "all_names",
    "apply",
    "complete",
    "day_of",
    "defaults",
    "differences",
    "find_key",
    "iso",
    "month_of",
    "read",
    "read_toml",
    "suggestions",
    "text_of",
    "write_toml",
]
