"""Discord: slash commands, buttons, forms and menus, results in threads.

adapter.py      the platform: listens, shows
listener.py     the client of the gateway, kept alive; commands registered
commands.py     interactions -> calls of the core
answers.py      acknowledgements and answers by an interaction's token
delivery.py     what stands of a job, each thing once
rest.py         calls by the bot's token
render.py       a post -> Components V2
schema.py       the catalogue -> commands
forms.py        the catalogue -> modals, and back
customs.py      what buttons carry
places.py       channels as places
permissions.py  what the bot may have to be allowed
doctor.py       what only Discord can tell of an installation
"""

from adapters.discord.adapter import Discord

__all__ = ["Discord"]
