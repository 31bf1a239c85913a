"""Slack's installations and OAuth states in our store: tokens sealed, states as hashes."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from logging import Logger, getLogger
from typing import Any

from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from bot.secrets import Vault
from bot.store import Install, Installs

NAME = "slack"

STATE_LASTS = 600.0
"""Seconds that somebody may take to install it."""

_DETAILS = (
    "app_id",
    "enterprise_id",
    "enterprise_name",
    "enterprise_url",
    "team_id",
    "team_name",
    "bot_id",
    "bot_user_id",
    "user_id",
    "token_type",
    "is_enterprise_install",
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What is sealed: with rotation also what the next token is got for."""

    bot: str = field(repr=False)
    refresh: str | None = field(repr=False)

    def sealed(self, vault: Vault) -> str:
        return vault.seal(json.dumps({"bot": self.bot, "refresh": self.refresh}))

    @classmethod
    def of(cls, install: Install, vault: Vault) -> Tokens:
        """KeyMissing where no key opens them."""
        kept = json.loads(vault.open(install.sealed or ""))
        return cls(kept["bot"], kept["refresh"])


class InstallationStore(AsyncInstallationStore):
    """One installation a workspace, or an organisation that installed it for all of its workspaces.

    People's own tokens are never asked for and never kept: whoever asks for a person's installation gets
    the workspace's.
    """

    def __init__(self, installs: Installs, vault: Vault, now: Callable[[], float]) -> None:
        self._installs = installs
        self._vault = vault
        self._now = now

    @property
    def logger(self) -> Logger:
        return getLogger(__name__)

    async def async_save(self, installation: Installation) -> None:
        """ValueError where it is of no workspace and no organisation, or has no bot's token."""
        expires_at = installation.bot_token_expires_at
        token = installation.bot_token
        if not token:
            raise ValueError("an installation without a bot's token")
        tokens = Tokens(token, installation.bot_refresh_token)
        details = {name: getattr(installation, name) for name in _DETAILS}
        await self._installs.put(
            NAME,
            _server(installation.enterprise_id, installation.team_id, installation.is_enterprise_install),
            parent="" if installation.is_enterprise_install else installation.enterprise_id or "",
            sealed=tokens.sealed(self._vault),
            details={**details, "bot_scopes": list(installation.bot_scopes or ())},
            expires_at=None if expires_at is None else float(expires_at),
            now=self._now(),
        )

    async def async_save_bot(self, bot: Bot) -> None:
        await self.async_save(Installation(user_id="", **bot.to_dict_for_copying()))

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        install = await self.find(team_id, enterprise_id, org_wide=bool(is_enterprise_install))
        return None if install is None else self._installation(install)

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        install = await self.find(team_id, enterprise_id, org_wide=bool(is_enterprise_install))
        return None if install is None else self._installation(install).to_bot()

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        await self._installs.remove(NAME, _server(enterprise_id, team_id, org_wide=False))

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """One person's tokens: there are none. Without a person it is the whole installation."""
        if user_id is None:
            await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    async def async_delete_all(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    async def find(
        self, team: str | None, enterprise: str | None = None, *, org_wide: bool = False
    ) -> Install | None:
        """A workspace's own installation, else the one of its organisation.

        Which organisation that is, is remembered: who delivers at night knows the workspace only.
        """
        own = await self._installs.get(NAME, team) if team and not org_wide else None
        if own is not None and own.sealed is not None:
            return own
        parent = enterprise or (own.parent if own is not None else None)
        found = await self._installs.get(NAME, parent) if parent else None
        if found is None or found.sealed is None:
            return None
        if team and parent and (own is None or own.parent != parent):
            await self._installs.cover(NAME, team, parent, self._now())
        return found

    def _installation(self, install: Install) -> Installation:
        tokens = Tokens.of(install, self._vault)
        details: dict[str, Any] = {name: install.details.get(name) for name in _DETAILS}
        return Installation(
            **details,
            bot_token=tokens.bot,
            bot_refresh_token=tokens.refresh,
            bot_token_expires_at=None if install.expires_at is None else int(install.expires_at),
            bot_scopes=install.details.get("bot_scopes", []),
            installed_at=install.created_at,
        )


def _server(enterprise: str | None, team: str | None, org_wide: bool | None) -> str:
    server = enterprise if org_wide or not team else team
    if not server:
        raise ValueError("an installation of no workspace and no organisation")
    return server


class StateStore(AsyncOAuthStateStore):
    """What a browser that sets out to install it comes back with: good once, for ten minutes."""

    def __init__(self, installs: Installs, now: Callable[[], float]) -> None:
        self._installs = installs
        self._now = now

    @property
    def logger(self) -> Logger:
        return getLogger(__name__)

    async def async_issue(self, *_: object, **__: object) -> str:
        state, now = secrets.token_urlsafe(32), self._now()
        await self._installs.add_state(NAME, _hash(state), now, now + STATE_LASTS)
        return state

    async def async_consume(self, state: str) -> bool:
        return await self._installs.redeem_state(NAME, _hash(state), self._now())


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()
