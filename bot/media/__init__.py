"""Media: fetched, kept by content, probed and made to fit.

library.py    the one door: fetch, keep, probe, fit
fetch.py      guarded downloads, data: URIs
addresses.py  which addresses are public
disk.py       the folder
formats.py    MIME types, extensions, safe names
pool.py       worker processes, seen from the parent
worker.py     a worker process
probe.py      in the worker: what a file is
fit.py        in the worker: a smaller rendition
"""

from __future__ import annotations

from bot.media.fetch import Resolve, TokenFor
from bot.media.formats import EXTENSIONS, Probed, safe_name
from bot.media.library import Library, Patience
from bot.media.pool import Pool

__all__ = ["EXTENSIONS", "Library", "Patience", "Pool", "Probed", "Resolve", "TokenFor", "safe_name"]
