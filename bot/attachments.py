"""The files that an order brings: copied into our media folder, looked at, every mistake at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bot.catalogue import Input, Model, Type, Value
from bot.engine.steps import DATA_URI_LIMIT
from bot.errors import BadMedia, BadOrder, Problem, Refused, TryLater
from bot.jobs import FileRef, Json
from bot.providers import Capabilities

if TYPE_CHECKING:
    from bot.media import Library


class Attachments:
    """`public`: providers can fetch our files by a link."""

    def __init__(self, library: Library, *, public: bool) -> None:
        self._library = library
        self._public = public

    async def bring(self, model: Model, checked: Mapping[str, Value], can: Capabilities) -> dict[str, Json]:
        """The inputs as they are stored with a job; BadOrder with what is wrong with any file."""
        inputs: dict[str, Json] = {}
        problems: list[Problem] = []
        for name, value in checked.items():
            entry = model.input(name)
            if entry is None or entry.type not in (Type.FILE, Type.FILES):
                inputs[name] = value
                continue
            given = value if isinstance(value, list) else [value]
            files = [await self._bring(entry, item, can, problems) for item in given]
            inputs[name] = files if entry.type is Type.FILES else files[0]
        if problems:
            raise BadOrder(problems)
        return inputs

    async def _bring(
        self, entry: Input, given: Value, can: Capabilities, problems: list[Problem]
    ) -> dict[str, str] | None:
        """One file as it is stored with a job, or None with one more problem."""
        try:
            file = given if isinstance(given, FileRef) else await self._library.fetch(str(given))
            probed = await self._library.probe(file.digest)
        except BadMedia as error:
            problems.append(Problem(error.code, entry.alias, error.facts))
            return None
        except TryLater as error:
            problems.append(Problem("dead_link", entry.alias, {"detail": str(error)}))
            return None
        if probed.kind not in entry.accepts:
            facts = {"accepts": [kind.value for kind in entry.accepts], "kind": probed.kind.value}
            problems.append(Problem("wrong_kind", entry.alias, facts))
            return None
        if probed.size > DATA_URI_LIMIT and not can.files and not self._public:
            problem = {"limit": DATA_URI_LIMIT, "name": file.name}
            problems.append(Problem("file_needs_public_url", entry.alias, problem))
            return None
        return {"file": file.digest, "name": file.name}

    def still_kept(self, inputs: Mapping[str, Json]) -> None:
        """Refused("file_gone") where a file of an earlier job is kept no longer."""
        for value in inputs.values():
            for file in value if isinstance(value, list) else [value]:
                if isinstance(file, Mapping) and self._library.path(file["file"]) is None:
                    raise Refused("file_gone", name=file["name"])
