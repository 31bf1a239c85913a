"""Each server's own rules: what can be set, where it comes from, and what follows from it. Pure."""

from bot.rules.scope import SERVER, Change, Changed, Entry, Scope, ScopeKind, Shown

__all__ = ["SERVER", "Change", "Changed", "Entry", "Scope", "ScopeKind", "Shown"]
