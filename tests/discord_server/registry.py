"""The application's registered commands, global and per server."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from tests.discord_server.commands import CHAT_INPUT, check_command, check_commands
from tests.discord_server.limits import JSON, DiscordError, Problems
from tests.discord_server.state import Guild, World

DAY = 24 * 3600.0
NAMED = ("name_localizations", "description_localizations")


@dataclass
class Registry:
    """`overwrites` counts bulk PUTs, so that tests see whether anything was registered needlessly."""

    world: World
    overwrites: int = 0
    _scopes: dict[int | None, dict[tuple[int, str], JSON]] = field(default_factory=dict)
    _created: dict[int | None, list[float]] = field(default_factory=dict)

    def all(self, guild_id: int | None = None) -> list[JSON]:
        return list(self._scopes.get(guild_id, {}).values())

    def find(self, kind: int, name: str, guild: Guild | None) -> JSON | None:
        """The command that people get under a name: the server's own one before the global one."""
        for scope in ([guild.id] if guild is not None else []) + [None]:
            command = self._scopes.get(scope, {}).get((kind, name))
            if command is not None:
                return command
        return None

    def get(self, guild_id: int | None, command_id: int) -> JSON:
        for command in self.all(guild_id):
            if command["id"] == str(command_id):
                return command
        raise DiscordError(10063)

    def overwrite(self, guild_id: int | None, commands: object) -> list[JSON]:
        """Replace a whole scope; commands of a known name keep their id, new ones count against the day."""
        check_commands(commands, in_guild=guild_id is not None)
        assert isinstance(commands, list)
        self.overwrites += 1
        old = self._scopes.get(guild_id, {})
        new = [_key(command) for command in commands if _key(command) not in old]
        self._spend_creates(guild_id, len(new))
        self._scopes[guild_id] = {_key(c): self._kept(c, guild_id, old.get(_key(c))) for c in commands}
        return self.all(guild_id)

    def upsert(self, guild_id: int | None, command: JSON) -> JSON:
        others = [c for c in self.all(guild_id) if _key(c) != _key(command)]
        check_commands([*others, command], in_guild=guild_id is not None)
        scope = self._scopes.setdefault(guild_id, {})
        if _key(command) not in scope:
            self._spend_creates(guild_id, 1)
        scope[_key(command)] = self._kept(command, guild_id, scope.get(_key(command)))
        return scope[_key(command)]

    def edit(self, guild_id: int | None, command_id: int, changes: JSON) -> JSON:
        old = self.get(guild_id, command_id)
        changed = {**old, **changes}
        problems = Problems()
        check_command(_as_sent(changed), problems, in_guild=guild_id is not None)
        problems.raise_if_any()
        scope = self._scopes[guild_id]
        del scope[_key(old)]
        scope[_key(changed)] = self._kept(changed, guild_id, old)
        return scope[_key(changed)]

    def delete(self, guild_id: int | None, command_id: int) -> None:
        del self._scopes[guild_id][_key(self.get(guild_id, command_id))]

    def _spend_creates(self, guild_id: int | None, count: int) -> None:
        now = self.world.clock()
        recent = [at for at in self._created.get(guild_id, []) if now - at < DAY]
        if len(recent) + count > self.world.limits.daily_command_creates:
            raise DiscordError(30034)
        self._created[guild_id] = recent + [now] * count

    def _kept(self, command: JSON, guild_id: int | None, old: JSON | None) -> JSON:
        kept = copy.deepcopy(_as_sent(command))
        kept.setdefault("type", CHAT_INPUT)
        kept.setdefault("description", "")
        kept.setdefault("options", [])
        for field_name in (*NAMED, "default_member_permissions"):
            kept.setdefault(field_name, None)
        kept.setdefault("nsfw", False)
        if guild_id is None:
            kept["contexts"] = kept.get("contexts")
            kept["integration_types"] = kept.get("integration_types") or [0]
        else:
            kept["guild_id"] = str(guild_id)
        kept["application_id"] = str(self.world.application_id)
        kept["id"] = old["id"] if old else str(self.world.new_id())
        unchanged = old is not None and _as_sent(old) == _as_sent(kept)
        kept["version"] = old["version"] if old and unchanged else str(self.world.new_id())
        return kept


def _key(command: JSON) -> tuple[int, str]:
    return (command.get("type") or CHAT_INPUT, str(command.get("name")))


def _as_sent(command: JSON) -> JSON:
    """Without what the server adds."""
    added = {"id", "application_id", "version", "guild_id"}
    return {key: value for key, value in command.items() if key not in added}
