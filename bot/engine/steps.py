"""The steps of a job: each carries it as far as it goes now and returns its fate. None of them moves it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import re
import sys
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from bot.catalogue import Catalogue, Model, Type, read_output
from bot.engine.cards import Cards, notice_of
from bot.engine.fates import (
    Again,
    Delivered,
    Elsewhere,
    Fate,
    Fetched,
    GiveUp,
    Nowhere,
    Requeue,
    Reroute,
    Submitted,
    Succeeded,
)
from bot.errors import (
    BadMedia,
    Busy,
    Denied,
    Gone,
    LostAnswer,
    MaybePosted,
    NotAPrediction,
    ProviderBusy,
    ProviderRefused,
    TooLarge,
    TryLater,
    Undeliverable,
)
from bot.jobs import NOBODY, Job, JobId, Json, Media, Outcome, Output, State, platform_of
from bot.pacing import backoff
from bot.ports import Failed, MediaFile, Notice, Platform, Ready
from bot.prices import FREE, NOTHING, Bill, Prices
from bot.providers import Client, Hook, Prediction, Status
from bot.routes import MOVES_ON, Routes, after, owner_of
from bot.sweep import time_taken

if TYPE_CHECKING:
    from bot.media import Library
    from bot.store import Store

DATA_URI_LIMIT = 256 * 1024
"""Bytes of a file that may travel inside the request (Replicate's OpenAPI document)."""

KEPT_BY_PROVIDER = 55 * 60
"""Seconds in which a result is fetched: Replicate removes it an hour after it ended, less a margin."""

ANSWERED_KEPT = 1000
LONGEST_WAIT = 60.0
"""Seconds that somebody else may make us wait before the next try, while the provider's hour runs."""

GONE = (404, 410)
"""HTTP statuses of a result that no longer is where it was."""

LONGEST_SEARCH = 15.0
"""Seconds between two looks for a prediction whose answer was lost, however often it was looked for."""

OF_THE_KEY = frozenset({"unauthenticated", "forbidden", "no_credit"})
"""Refusals that the owner of a key must mend."""

FEW_LOOKS = 3
"""Times that something which is no file is fetched again: a few seconds, where it never will be one."""

FEW_FAULTS = 8
"""Unforeseen faults in a row before a job is given up. A place gets as many, however late it is."""

log = structlog.get_logger(__name__)


class _NotNow(Exception):
    """A create is under way: what the list shows may be its prediction."""


class _CannotKnow(Exception):
    """The list has predictions of which nobody can say whose they are."""


class Steps:
    """One method a step.

    `link` makes a public URL of a kept file's digest. What the
    provider's list doesn't show `settled` seconds after its answer was missed was not made. `hook_of`: where
    its provider may tell of a job, which, where nothing else helps, it is given `heard_within` seconds to do.
    A result is offered to its place for `outbox` seconds, then to the next best one. Whose job begins to cost
    has `heads_up` seconds to stop it.
    """

    def __init__(
        self,
        store: Store,
        library: Library,
        catalogue: Catalogue,
        clients: Mapping[str, Client],
        platforms: Mapping[str, Platform],
        cards: Cards,
        *,
        prices: Prices,
        deadline: float,
        settled: float,
        heard_within: float,
        outbox: float,
        heads_up: float,
        link: Callable[[str], str] | None,
        hook_of: Callable[[Job], Hook | None],
        routes: Routes,
        now: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._store = store
        self._library = library
        self._catalogue = catalogue
        self._clients = clients
        self._platforms = platforms
        self._cards = cards
        self._prices = prices
        self._deadline = deadline
        self._settled = settled
        self._heard_within = heard_within
        self._outbox = outbox
        self._heads_up = heads_up
        self._link = link
        self._hook_of = hook_of
        self._routes = routes
        self._now = now
        self._rng = rng
        self._creating: Counter[str] = Counter()
        self._answered: OrderedDict[JobId, Prediction] = OrderedDict()
        self._hints: OrderedDict[JobId, str] = OrderedDict()

    # -- submitting

    async def submit(self, job: Job) -> Fate:
        """Ask the provider for it. From here on money may be spent."""
        client = self._clients.get(job.provider)
        if client is None:
            return GiveUp(Outcome.FAILED, "no_provider", {"model": job.model}, FREE)
        try:
            model = self._catalogue.find(job.model)
            inputs = await self._on_the_wire(client, model, job.inputs)
        except (TryLater, LostAnswer) as error:
            return self._requeue(job, error)
        except NotAPrediction as error:
            times = _nonsense(job)
            if times < FEW_FAULTS:  # an upload costs nothing
                return Requeue(backoff(times, self._rng), "provider_down", {"nonsense": times})
            return await self._not_taken(job, error)
        except (ProviderRefused, BadMedia) as error:
            return await self._not_taken(job, error)
        if prediction := self._answered.get(job.id):
            return Submitted(prediction)  # the list was wrong: its webhook came after all
        try:
            return await self._create(client, job, model, inputs)
        except TryLater as error:
            return self._requeue(job, error)
        except ProviderRefused as error:
            return await self._not_taken(job, error)
        except LostAnswer:
            log.warning("The answer to a create is lost", action="answer_lost", **job.log_context())
            return Again(1.0, "lost_answer")
        except NotAPrediction as error:
            log.warning("The answer to a create is no prediction", action="bad_answer", **job.log_context())
            return Again(0.0, "bad_answer", {"detail": error.detail})

    async def _create(self, client: Client, job: Job, model: Model, inputs: Mapping[str, Json]) -> Submitted:
        """Note what is under way: nobody who looks for a lost prediction must take this one for theirs."""
        kind = _kind_of(model, inputs)
        self._creating[kind] += 1
        try:
            webhook = self._hook_of(job)
            prediction = await client.create(model, inputs, webhook=webhook, cancel_after=self._deadline)
            self._note(job, prediction)
        finally:
            self._creating -= Counter([kind])
        return Submitted(prediction)

    def _note(self, job: Job, prediction: Prediction) -> None:
        """Whose it is, until the store surely knows: where writing it down fails, it is not made again."""
        self._answered[job.id] = replace(prediction, output=None, input={}, logs="")
        if len(self._answered) > ANSWERED_KEPT:
            self._answered.popitem(last=False)

    async def recover(self, job: Job) -> Fate:
        """It may have been sent: look for it, and never send it blindly again."""
        try:
            found = self._answered.get(job.id) or await self._look_for(job)
        except TryLater as error:
            wait = error.retry_after or backoff(job.tries, self._rng, most=LONGEST_SEARCH)
            return Again(wait, job.code, job.facts)
        except _NotNow:
            return Again(1.0, job.code, job.facts)
        except NotAPrediction:
            return self._look_again(job)
        except (_CannotKnow, ProviderRefused, LostAnswer):
            return self._cannot_know(job)
        if found:
            return Submitted(found)
        missed_at = float(job.facts.get("missed_at", self._now()))
        if self._now() - missed_at < self._settled:
            wait = min(1.0 + job.tries, 5.0, self._settled)
            return Again(wait, job.code, {**job.facts, "missed_at": missed_at})
        if job.code == "bad_answer" or self._may_be_elsewhere(job):
            return self._unknown(job)
        return Requeue(0.0)

    def _may_be_elsewhere(self, job: Job) -> bool:
        """Whether, since a backup was made that is now restored, another provider may have got it."""
        return "restored" in job.facts and any(after(self._routes, job.model, job.provider))

    async def _look_for(self, job: Job) -> Prediction | None:
        """By what was heard of it, else by the provider's list."""
        client = self._clients.get(job.provider)
        if client is not None and (found := await self._confirmed(client, job)):
            return found
        if client is None or not client.can.list:
            raise _CannotKnow
        return await self._find(client, job)

    def _cannot_know(self, job: Job) -> Fate:
        """Its webhook may still tell; where none comes, nobody ever will."""
        since = float(job.facts.get("unknown_since", self._now()))
        if self._hook_of(job) is None or self._now() - since >= self._heard_within:
            return self._unknown(job)
        wait = min(1.0 + job.tries, LONGEST_WAIT, self._heard_within)
        return Again(wait, job.code, {**job.facts, "unknown_since": since})

    def _look_again(self, job: Job) -> Fate:
        """A list that makes no sense may be a proxy's page; one that never does says nothing."""
        times = _nonsense(job)
        if times < FEW_FAULTS:
            wait = backoff(times, self._rng, most=LONGEST_SEARCH)
            return Again(wait, job.code, {**job.facts, "nonsense": times})
        return self._cannot_know(job)

    def _unknown(self, job: Job) -> GiveUp:
        if job.code == "bad_answer":
            return GiveUp(Outcome.FAILED, "bad_answer", {"detail": job.facts.get("detail", "")})
        return GiveUp(Outcome.UNKNOWN, "lost_answer")

    async def _find(self, client: Client, job: Job) -> Prediction | None:
        """The prediction that was made of this job and belongs to no other, oldest first."""
        model = self._catalogue.find(job.model)
        since = (job.submitted_at or job.created_at) - 120
        # Of what may be thousands, only what could be the one is kept in memory.
        seen = [p async for p in _listed(client, since) if _may_be(p, model, job.inputs)]
        taken = await self._store.known_predictions([p.id for p in seen])
        if heard := self._answered.get(job.id):
            return heard
        if self._creating[_kind_of(model, job.inputs)]:
            raise _NotNow
        taken |= {prediction.id for prediction in self._answered.values()}
        free = [p for p in seen if p.id not in taken]
        alike = [p for p in free if _made_of(p, model, job.inputs)]
        if not alike and any(p.data_removed for p in free):
            raise _CannotKnow  # its inputs are gone: it may be the one
        if alike and model.seed_input is None:
            raise _CannotKnow  # nothing tells it from another person's
        found = min(alike, key=lambda p: p.created_at or 0, default=None)
        if found is not None:
            self._note(job, found)
        return found

    # -- what providers tell of a job whose answer is late or lost

    async def may_be_of(self, job: Job, prediction: Prediction) -> bool:
        """Whether it can be this job's own: it was made of it, and nobody else has it."""
        if not self._was_made_of(job, prediction) or await self._store.known_predictions([prediction.id]):
            return False
        return all(other.id != prediction.id or id == job.id for id, other in self._answered.items())

    def believe(self, job: Job, prediction: Prediction) -> None:
        """It surely is this job's."""
        if job.id not in self._answered:
            self._note(job, prediction)

    def hint(self, job: Job, prediction: str) -> None:
        """It may be this job's: whoever looks for it asks the provider."""
        self._hints[job.id] = prediction
        if len(self._hints) > ANSWERED_KEPT:
            self._hints.popitem(last=False)

    async def _confirmed(self, client: Client, job: Job) -> Prediction | None:
        """The prediction hinted at, if the provider says the same of it."""
        if (hint := self._hints.get(job.id)) is None:
            return None
        try:
            found = await client.get(hint)
        except (ProviderRefused, NotAPrediction):
            self._hints.pop(job.id, None)
            return None
        if not await self.may_be_of(job, found):
            self._hints.pop(job.id, None)
            return None
        self._note(job, found)
        return found

    def _was_made_of(self, job: Job, prediction: Prediction) -> bool:
        return _may_be(prediction, self._catalogue.find(job.model), job.inputs)

    # -- inputs

    async def _on_the_wire(self, client: Client, model: Model, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """The inputs as the provider takes them: files become URLs."""
        wire: dict[str, Json] = {}
        for name, value in inputs.items():
            entry = model.input(name)
            if entry is not None and entry.type is Type.FILES:
                wire[name] = [await self._url_of(client, file) for file in value]
            elif entry is not None and entry.type is Type.FILE:
                wire[name] = await self._url_of(client, value)
            else:
                wire[name] = value
        return wire

    async def _url_of(self, client: Client, file: Mapping[str, str]) -> str:
        """A file in the way that this provider takes it: inside the request, uploaded, or by our own link."""
        path = self._library.path(file["file"])
        if path is None:
            raise BadMedia("file_gone", name=file["name"])
        probed = await self._library.probe(file["file"])
        if probed.size <= DATA_URI_LIMIT:
            return await asyncio.to_thread(_data_uri, path, probed.mime)
        if client.can.files:
            return await client.upload(path, file["name"], probed.mime)
        if self._link is not None:
            return self._link(file["file"])
        raise BadMedia("file_needs_public_url", limit=DATA_URI_LIMIT, name=file["name"])

    def _requeue(self, job: Job, error: TryLater | LostAnswer) -> Requeue:
        """Nothing was taken; the job waits and says for what."""
        after = error.retry_after if isinstance(error, TryLater) else None
        code = "provider_busy" if isinstance(error, ProviderBusy) else "provider_down"
        return Requeue(backoff(job.tries, self._rng, most=60) if after is None else after, code)

    async def _not_taken(self, job: Job, error: ProviderRefused | BadMedia | NotAPrediction) -> Fate:
        """Refused before anything was spent: another provider may take it, else that is told."""
        match error:
            case ProviderRefused():
                if error.code in MOVES_ON and (other := await self.elsewhere(job)):
                    log.info(
                        "Another provider shall have it",
                        action="rerouted",
                        to=other.provider,
                        why=str(error),
                        **job.log_context(),
                    )
                    return other
                fields = by_alias(self._catalogue.find(job.model), error.fields)
                facts = {"detail": error.detail, "status": error.status, "fields": fields}
                is_own = owner_of(job.provider) is not None and error.code in OF_THE_KEY
                return GiveUp(Outcome.FAILED, f"own_{error.code}" if is_own else error.code, facts, FREE)
            case BadMedia():
                return GiveUp(Outcome.FAILED, error.code, error.facts, FREE)
            case NotAPrediction():
                return GiveUp(Outcome.FAILED, "bad_answer", {"detail": error.detail}, FREE)

    async def elsewhere(self, job: Job) -> Reroute | None:
        """The next provider on the job's route that takes orders and can take its files; None without one.

        Only for what was certainly not taken. Where the first would have been free and this one isn't, the
        person is told, and may stop it.
        """
        for name in after(self._routes, job.model, job.provider):
            client = self._clients.get(name)
            if client is None or client.manners.away(self._now(), 0) or not await self._fits(client, job):
                continue
            costs_now = self._prices.is_free(job.provider) and not self._prices.is_free(name)
            return Reroute(name, self._heads_up, "other_provider") if costs_now else Reroute(name)
        return None

    async def _fits(self, client: Client, job: Job) -> bool:
        """Whether its files get to this provider: inside the request, uploaded, or by our link."""
        if client.can.files or self._link is not None:
            return True
        given = [
            value
            for entry in job.inputs.values()
            for value in (entry if isinstance(entry, list) else [entry])
        ]
        paths = [self._library.path(value["file"]) for value in given if isinstance(value, Mapping)]
        sizes = [(await asyncio.to_thread(path.stat)).st_size for path in paths if path]
        return max(sizes, default=0) <= DATA_URI_LIMIT

    # -- running

    async def settle(self, job: Job, prediction: Prediction) -> Fate:
        """The prediction has ended: what came of it?"""
        bill = self._bill(job, prediction)
        match prediction.status:
            case _ if job.cancel_requested == NOBODY:
                return _without(bill, Outcome.CANCELLED, "cancelled", by=NOBODY)
            case Status.SUCCEEDED:
                return self._succeeded(job, prediction, bill)
            case Status.CANCELED | Status.ABORTED if job.cancel_requested:
                return _without(bill, Outcome.CANCELLED, "cancelled", by=job.cancel_requested)
            case Status.CANCELED | Status.ABORTED:
                return self._stopped(job, bill)
            case _:
                return _model_failed(prediction.error or "", bill)

    def _bill(self, job: Job, prediction: Prediction) -> Bill:
        if prediction.status is Status.ABORTED:
            # What ended before it began is not charged: changelog/2025-10-16-prediction-deadlines.
            return NOTHING
        return self._prices.bill(job.provider, self._catalogue.find(job.model), prediction.predict_time)

    def _stopped(self, job: Job, bill: Bill) -> GiveUp:
        """By nobody's wish: the deadline that the provider was told, or the provider itself."""
        if job.submitted_at is not None and self._now() - job.submitted_at >= self._deadline - 1:
            return _without(bill, Outcome.FAILED, "deadline", minutes=round(self._deadline / 60))
        return _without(bill, Outcome.FAILED, "aborted")

    def _succeeded(self, job: Job, prediction: Prediction, bill: Bill) -> Fate:
        try:
            made = read_output(self._catalogue.find(job.model), prediction.output)
        except NotAPrediction as error:
            return _without(bill, Outcome.FAILED, "bad_answer", detail=error.detail)
        if made.error:
            return _model_failed(made.error, bill)
        if not made.files:
            return _without(bill, Outcome.FAILED, "expired" if prediction.data_removed else "no_output")
        took = time_taken(prediction)
        return Succeeded(made.files, took, prediction.completed_at, bill.told, bill.charged)

    async def overdue(self, job: Job) -> Fate:
        """It has run longer than anybody would wait, or nobody looked for as long: look, then stop it."""
        client = self._clients.get(job.provider)
        if client is not None and job.prediction:
            try:
                found = await client.get(job.prediction)
                if not found.status.terminal and client.can.cancel:
                    found = await client.cancel(job.prediction)
                if found.status.terminal:
                    return await self.settle(job, found)
            except (TryLater, LostAnswer, ProviderRefused, NotAPrediction) as error:
                log.warning("Not cancelled", action="cancel_failed", why=str(error), **job.log_context())
        return GiveUp(Outcome.FAILED, "deadline", {"minutes": round(self._deadline / 60)})

    # -- fetching

    async def fetch(self, job: Job) -> Fate:
        """Bring every file of the result onto our disk."""
        client = self._clients.get(job.provider)
        try:
            media = [await self._bring(output, client) for output in job.outputs]
        except TryLater as error:
            return self._fetch_later(job, error)
        except BadMedia as error:
            return self._not_fetched(job, error)
        return Fetched(tuple(media))

    async def _bring(self, output: Output, client: Client | None) -> Media:
        file = await self._library.fetch(output.url, token_for=client.token_for if client else None)
        probed = await self._library.probe(file.digest)
        return Media(
            file.digest,
            output.part,
            probed.kind.value,
            probed.mime,
            probed.size,
            probed.width,
            probed.height,
            probed.duration,
        )

    def _fetch_later(self, job: Job, error: TryLater) -> Fate:
        ended = job.finished_at or job.submitted_at or job.created_at
        if self._now() - ended > KEPT_BY_PROVIDER:
            return GiveUp(Outcome.FAILED, "fetch_failed", {"detail": str(error)}, job.cost)
        wait = backoff(job.tries, self._rng, most=30) if error.retry_after is None else error.retry_after
        return Again(min(wait, LONGEST_WAIT), "fetch_failed", {"detail": str(error)})

    def _not_fetched(self, job: Job, error: BadMedia) -> Fate:
        """What is gone is gone; a host that isn't found, a refusal, or a page in place of the file may be a
        hiccup, and the result is paid for."""
        if error.code == "dead_link" and error.facts.get("status") not in GONE:
            return self._fetch_later(job, TryLater(str(error)))
        times = _nonsense(job)
        if error.code == "not_media" and times <= FEW_LOOKS:
            return Again(backoff(times, self._rng), "fetch_failed", {"nonsense": times})
        code = "expired" if error.code == "dead_link" else error.code
        return GiveUp(Outcome.FAILED, code, error.facts, job.cost)

    # -- faults

    def after_fault(self, job: Job) -> Fate:
        """A step has failed in a way that nobody foresaw: again, and in the end say so."""
        if job.state is State.DELIVERING and self._is_late(job):
            return Nowhere("too_many_tries")
        if job.state is State.DELIVERING or job.tries < FEW_FAULTS:
            return Again(backoff(job.tries, self._rng), job.code, job.facts)
        sent = job.state is not State.FETCHING
        return GiveUp(Outcome.UNKNOWN if sent else Outcome.FAILED, "too_many_tries")

    # -- delivering

    async def deliver(self, job: Job) -> Fate:
        """Put the result, or the words about it, into its place, or else into the next best one."""
        platform = self._platforms.get(platform_of(job.place))
        if platform is None:
            return Nowhere("no_platform") if self._is_late(job) else Again(60.0)
        if self._is_late(job):
            return await self._elsewhere(job, platform, "too_many_tries")
        notice = notice_of(job, self._catalogue, self._library, ahead=None, eta=None)
        try:
            try:
                return Delivered(await self._post(job, notice))
            except (Denied, Gone) as error:
                log.info("A place won't take it", action="place_refused", why=str(error), **job.log_context())
                return await self._elsewhere(job, platform, "place_gone")
        except (Denied, Gone):
            return Nowhere("place_gone")
        except MaybePosted:
            return Nowhere("maybe_posted")
        except (TooLarge, BadMedia):
            return await self._say_too_large(job)
        except Busy as error:
            wait = error.retry_after
            return Again(backoff(job.tries, self._rng) if wait is None else wait)

    async def _post(self, job: Job, notice: Notice) -> Mapping[str, Json]:
        """Post it; where the place says that a file is too large, again with smaller ones.

        A place finds out what it takes by trying: it may say a smaller limit next time.
        """
        fitted, limit = notice, sys.maxsize
        while True:
            try:
                return await self._cards.post(job, fitted)
            except TooLarge as error:
                if not isinstance(notice, Ready) or error.limit >= limit:
                    raise
                limit = error.limit
            fitted = await self._fitted(notice, limit)

    async def _fitted(self, notice: Ready, limit: int) -> Ready:
        """The same result with every file under `limit` bytes. Raises TooLarge where one can't be."""
        return replace(notice, media=tuple([await self._smaller(file, limit) for file in notice.media]))

    async def _smaller(self, file: MediaFile, limit: int) -> MediaFile:
        """A smaller rendition; else a preview with a link to the whole, where the world can reach us."""
        link = None
        try:
            digest = await self._library.fit(file.media.digest, limit, kind=file.media.kind)
        except TooLarge:
            if self._link is None:
                raise
            digest = await self._library.preview(file.media.digest, limit)
            link = self._link(file.media.digest)
        if digest == file.media.digest:
            return file
        probed = await self._library.probe(digest)
        media = replace(
            file.media,
            digest=digest,
            kind=probed.kind.value,
            mime=probed.mime,
            size=probed.size,
            width=probed.width,
            height=probed.height,
        )
        path = self._library.path(digest) or Path()
        return replace(file, media=media, path=path, name=_renamed(file.name, probed.extension), link=link)

    async def _say_too_large(self, job: Job) -> Fate:
        """Nothing of it fits: the words take its place, and the result is kept for another one."""
        with contextlib.suppress(Undeliverable):
            await self._cards.post(job, Failed("too_large_here", {}, job.cost))
        return Nowhere("too_large")

    def _is_late(self, job: Job) -> bool:
        """Whether its place had long enough to take it, and tries enough, however they failed."""
        since = job.finished_at or job.created_at
        return job.tries >= FEW_FAULTS and self._now() - since > self._outbox

    async def _elsewhere(self, job: Job, platform: Platform, why: str) -> Fate:
        """The next best place; where there is none, no place takes it, for the reason `why`."""
        place = await platform.fallback(job.place, job.actor)
        return Elsewhere(place) if place and place != job.place else Nowhere(why)


async def _listed(client: Client, since: float) -> AsyncIterator[Prediction]:
    """Every prediction made since then, newest first."""
    cursor: str | None = None
    while True:
        page = await client.list(created_after=since, cursor=cursor)
        for prediction in page.predictions:
            yield prediction
        if page.next is None:
            return
        cursor = page.next


def _nonsense(job: Job) -> int:
    """How often in a row it met an answer that says nothing, with this one."""
    return int(job.facts.get("nonsense", 0)) + 1


def _is_of(prediction: Prediction, model: Model) -> bool:
    return prediction.version == model.version if model.version else prediction.model == model.full_name


def _may_be(prediction: Prediction, model: Model, inputs: Mapping[str, Json]) -> bool:
    """Whether it is one of this model with these inputs, or one whose inputs are gone."""
    return _is_of(prediction, model) and (prediction.data_removed or _made_of(prediction, model, inputs))


def _made_of(prediction: Prediction, model: Model, inputs: Mapping[str, Json]) -> bool:
    """Whether these are its inputs; files are left out, as each upload has a URL of its own."""
    return all(prediction.input.get(name) == value for name, value in _without_files(model, inputs).items())


def _kind_of(model: Model, inputs: Mapping[str, Json]) -> str:
    """What `_made_of` can't tell apart has the same kind."""
    return json.dumps([model.command, _without_files(model, inputs)], sort_keys=True)


def _without_files(model: Model, inputs: Mapping[str, Json]) -> dict[str, Json]:
    files = {entry.name for entry in model.inputs if entry.is_file}
    return {name: value for name, value in inputs.items() if name not in files}


def by_alias(model: Model, fields: Mapping[str, str]) -> dict[str, str]:
    """What a provider says of a model's inputs, by the names that people know them by."""
    aliases = {entry.name: entry.alias for entry in model.inputs if entry.alias != entry.name}

    def spoken(text: str) -> str:
        return re.sub(r"[A-Za-z_][A-Za-z0-9_]*", lambda word: aliases.get(word[0], word[0]), text)

    return {aliases.get(name, name): spoken(said) for name, said in fields.items()}


def _without(bill: Bill, outcome: Outcome, code: str, **facts: Json) -> GiveUp:
    """No result, and what it has cost all the same."""
    return GiveUp(outcome, code, facts, bill.told, bill.charged)


def _model_failed(message: str, bill: Bill) -> GiveUp:
    """The model's own failure, told apart by its message: the API has no code for it."""
    said = message.lower()
    if "nsfw" in said or "flagged" in said or "sensitive" in said:
        code = "flagged"
    elif "out of memory" in said or "e1001" in said:
        code = "out_of_memory"
    else:
        code = "model_failed"
    return _without(bill, Outcome.FAILED, code, message=message[:500])


def _data_uri(path: Path, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _renamed(name: str, extension: str) -> str:
    return f"{name.rpartition('.')[0]}.{extension.lstrip('.')}"
