"""Apps, their installations, and the tokens these have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.manifest import Manifest
from tests.slack_server.state import Channel, Enterprise, Team, User, World


@dataclass(eq=False)
class Token:
    """A token. `dead` is the error that it is answered with, once it is no longer good."""

    value: str
    kind: Literal["bot", "app"]
    app: App
    installation: Installation | None
    scopes: tuple[str, ...]
    created: float
    expires_at: float | None = None
    dead: str | None = None


@dataclass(eq=False)
class Installation:
    """An app in a workspace, or (`team` None) in all of an organisation."""

    app: App
    team: Team | None
    enterprise: Enterprise | None
    bot: User
    scopes: tuple[str, ...]
    installed_by: User | None
    tokens: list[Token] = field(default_factory=list)
    refresh_tokens: dict[str, bool] = field(default_factory=dict)  # whether it is still good
    removed: bool = False

    @property
    def token(self) -> str:
        """The newest bot token."""
        return self.tokens[-1].value

    @property
    def org_wide(self) -> bool:
        return self.team is None

    def covers(self, team: Team) -> bool:
        return self.team is team or (self.team is None and team.enterprise is self.enterprise)

    def new_token(self) -> Token:
        """A further bot token. With rotation it expires, and only the newest two are good."""
        world, rotates = self.app.world, self.app.manifest.rotates
        prefix = "xoxe.xoxb-1-" if rotates else "xoxb-"
        expires = world.clock() + world.limits.token_life if rotates else None
        value = prefix + world.new_secret(40)
        token = Token(value, "bot", self.app, self, self.scopes, world.clock(), expires)
        self.tokens.append(token)
        self.app.tokens[value] = token
        alive = [one for one in self.tokens if one.dead is None]
        for old in alive[: -world.limits.active_tokens] if rotates else ():
            old.dead = "token_revoked"
        return token

    def new_refresh_token(self) -> str:
        value = "xoxe-1-" + self.app.world.new_secret(40)
        self.refresh_tokens[value] = True
        return value

    def revoke(self) -> None:
        """Make all tokens `token_revoked`; the app stays installed."""
        for token in self.tokens:
            token.dead = token.dead or "token_revoked"

    def remove(self) -> None:
        """Uninstall it: its bot leaves, tokens are of an account that is inactive."""
        self.removed = True
        self.bot.deleted = True
        for token in self.tokens:
            token.dead = "account_inactive"


@dataclass(eq=False)
class App:
    """An app as its developer made it, with the secrets it has."""

    world: World
    id: str
    manifest: Manifest
    client_id: str
    client_secret: str
    signing_secret: str
    app_token: str
    installations: list[Installation] = field(default_factory=list)
    tokens: dict[str, Token] = field(default_factory=dict)
    codes: dict[str, JSON] = field(default_factory=dict)  # of OAuth: what was granted, and to whom

    @classmethod
    def made(cls, world: World, manifest: JSON) -> App:
        id_ = world.new_id("A")
        number = str(1_000_000 + len(world.apps))
        app = cls(
            world,
            id_,
            Manifest(manifest),
            f"{number}.{number}",
            world.new_secret(32),
            world.new_secret(32),
            f"xapp-1-{id_}-{world.new_secret(32)}",
        )
        scopes = ("connections:write",)
        app.tokens[app.app_token] = Token(app.app_token, "app", app, None, scopes, world.clock())
        world.apps[id_] = app
        return app

    def change_manifest(self, manifest: JSON) -> None:
        """Paste another one. New scopes are good only after the app is installed again, as with Slack."""
        self.manifest = Manifest(manifest)

    def install(
        self,
        team: Team | None,
        *,
        by: User | None = None,
        scopes: Iterable[str] | None = None,
        enterprise: Enterprise | None = None,
    ) -> Installation:
        """Install it, or install it again: then scopes are added, and with rotation there is a new token."""
        allowed = self.manifest.scopes
        wanted = tuple(scope for scope in (allowed if scopes is None else scopes) if scope in allowed)
        for known in self.installations:
            if known.team is team and (team is not None or known.enterprise is enterprise):
                return self._again(known, wanted)
        installation = Installation(self, team, enterprise, self._new_bot(team, enterprise), wanted, by)
        self.installations.append(installation)
        installation.new_token()
        return installation

    def _again(self, known: Installation, scopes: tuple[str, ...]) -> Installation:
        """The bot stays the one it was; scopes are added, or after an uninstall begin anew."""
        known.scopes = scopes if known.removed else tuple(dict.fromkeys([*known.scopes, *scopes]))
        known.removed = known.bot.deleted = False
        if self.manifest.rotates or known.tokens[-1].dead:
            known.new_token()
        known.tokens[-1].scopes = known.scopes
        return known

    def _new_bot(self, team: Team | None, enterprise: Enterprise | None) -> User:
        home = team or next(one for one in self.world.teams.values() if one.enterprise is enterprise)
        name = self.manifest.bot_name
        bot = self.world.new_user(home, name, real_name=name, is_bot=True)
        bot.bot_id = self.world.new_id("B")
        return bot


def find_token(world: World, value: str | None) -> Token:
    """The token of a call.

    Raises:
        SlackError: not_authed, invalid_auth, or what became of it.
    """
    if not value:
        raise SlackError("not_authed")
    for app in world.apps.values():
        token = app.tokens.get(value)
        if token is not None:
            if token.dead is not None:
                raise SlackError(token.dead)
            if token.expires_at is not None and world.clock() >= token.expires_at:
                raise SlackError("token_expired")
            return token
    raise SlackError("invalid_auth")


def sees(installation: Installation, channel: Channel) -> bool:
    """Whether an app can know of a conversation: public, or its bot is in."""
    return installation.covers(channel.team) and (channel.kind == "public" or channel.has(installation.bot))
