"""A Discord played on loopback, for tests: the real discord.py connects to it.

`server.py` puts it together. `state.py` is the world, `messages.py` what stands in it, `gateway.py` the
websockets, `rest.py` the routes, `posting.py` what becomes a message, `interactions.py` the deadlines,
`registry.py` the commands, `ratelimits.py` the buckets. `limits.py`, `commands.py` and `components.py` hold
Discord's rules. `people.py` is what a test does, `faults.py` what goes wrong, `client.py` points discord.py
here; `admin.py` and `remote.py` are the same over HTTP.
"""

from tests.discord_server.limits import Limits, P
from tests.discord_server.people import ClientRefused, Person, Reply
from tests.discord_server.posting import Upload
from tests.discord_server.server import DiscordServer

__all__ = ["ClientRefused", "DiscordServer", "Limits", "P", "Person", "Reply", "Upload"]
