"""Every statement that the store sends, one named function each; nobody else builds one.

Each is built once and kept, and the compiled text with it. Parameters that start with `the_` say which rows
are meant; the others are columns and say what is written to them.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import (
    CTE,
    JSON,
    BindParameter,
    ColumnElement,
    Delete,
    Insert,
    Select,
    Subquery,
    Update,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.sql.dml import ReturningDelete
from sqlalchemy.sql.selectable import CompoundSelect, ScalarSelect

from bot.caps import Whose
from bot.jobs import AT_PROVIDER, OPEN, Outcome, State
from bot.store.tables import (
    channels,
    events,
    installs,
    job_columns,
    jobs,
    logins,
    messages,
    sessions,
    states,
)

Condition: TypeAlias = ColumnElement[bool]
CapShape: TypeAlias = tuple[Whose, frozenset[State] | None, bool]
"""Of a cap: whose jobs it counts, its states, and whether it has a beginning."""

PERSON = (jobs.c.platform, jobs.c.server, jobs.c.actor_id)


def _is_person() -> tuple[Condition, ...]:
    return tuple(column == bindparam(f"the_{column.name}") for column in PERSON)


def _is_place() -> tuple[Condition, ...]:
    return jobs.c.platform == bindparam("the_platform"), jobs.c.server == bindparam("the_server")


def _in_queue() -> Condition:
    return jobs.c.state == State.QUEUED.value


# -- jobs: accepting


@cache
def job_by_key() -> Select[*tuple[Any, ...]]:
    """The job that a platform's interaction has made."""
    return select(*job_columns).where(jobs.c.key == bindparam("the_key"))


@cache
def used(caps: tuple[CapShape, ...]) -> Select[*tuple[Any, ...]]:
    """How much of each cap is used, one column a cap."""
    return select(*(_used(number, *shape).label(f"used_{number}") for number, shape in enumerate(caps)))


def _used(number: int, whose: Whose, states: frozenset[State] | None, since: bool) -> ScalarSelect[int]:
    counted = (
        select(func.count())
        .select_from(jobs)
        .where(or_(jobs.c.outcome.is_(None), jobs.c.outcome == Outcome.READY.value))
    )
    match whose:
        case Whose.PERSON:
            counted = counted.where(*_is_person())
        case Whose.CHANNEL:
            counted = counted.where(*_is_place(), jobs.c.channel == bindparam("the_channel"))
        case Whose.SERVER:
            counted = counted.where(*_is_place())
        case Whose.ALL:
            pass
    if states is not None:
        counted = counted.where(jobs.c.state.in_(sorted(states)))
    if since:
        counted = counted.where(jobs.c.created_at >= bindparam(f"the_since_{number}"))
    return counted.scalar_subquery()


@cache
def insert_job() -> Insert:
    """A new job."""
    return insert(jobs)


# -- jobs: claiming


@cache
def count_at_provider() -> Select[int]:
    """How many jobs are at a provider or on their way to one."""
    return select(func.count()).select_from(jobs).where(jobs.c.state.in_(sorted(AT_PROVIDER)))


def _people(state: ColumnElement[str]) -> Subquery:
    """Whoever has jobs in a state. From each the next is sought in the index: their jobs need not be read."""
    this, someone = jobs.alias("this"), jobs.alias("someone")

    def next_one(same: int) -> ScalarSelect[Any]:
        """Of the columns of a person the first `same` are the same, and the one after them is greater."""
        after = jobs.alias(f"after_{same}")
        names = [column.name for column in PERSON]
        alike = [after.c[name] == this.c[name] for name in names[:same]]
        greater = after.c[names[same]] > this.c[names[same]]
        return (
            select(after.c.id)
            .where(after.c.state == state, *alike, greater)
            .order_by(*(after.c[name] for name in names))
            .limit(1)
            .correlate(this)
            .scalar_subquery()
        )

    first = select(jobs.c.id).where(jobs.c.state == state).order_by(*PERSON).limit(1).scalar_subquery()
    heads = select(first.label("id")).cte("heads", recursive=True)
    following = func.coalesce(*(next_one(same) for same in (2, 1, 0)))
    heads = heads.union_all(select(following).select_from(heads.join(this, this.c.id == heads.c.id)))
    columns = (someone.c[column.name] for column in PERSON)
    return select(*columns).join(heads, someone.c.id == heads.c.id).subquery("people_")


def _lines(some_closed: bool) -> CTE:
    """The first jobs of everybody's line in the queue, up to `the_most_each`, with their `place` in it."""
    queued = literal(State.QUEUED.value)
    people_, own = _people(queued), jobs.alias("own")
    closed = own.c.provider.not_in(bindparam("the_closed", expanding=True))
    theirs = (
        select(own.c.id)
        .where(
            own.c.state == queued,
            *(own.c[one.name] == people_.c[one.name] for one in PERSON),
            own.c.due_at <= bindparam("the_now"),
            *([closed] if some_closed else []),
        )
        .order_by(own.c.created_at, own.c.id)
        .limit(bindparam("the_most_each"))
        .correlate(people_)
    )
    place = func.row_number().over(partition_by=PERSON, order_by=(jobs.c.created_at, jobs.c.id))
    return (
        select(jobs.c.id, jobs.c.created_at, *PERSON, place.label("place"))
        .select_from(people_.join(jobs, jobs.c.id.in_(theirs)))
        .cte("lines")
    )


@cache
def start(some_closed: bool = False) -> Update:
    """The next jobs of the queue go to the provider: those first whose server, then who has least there.

    A job's turn counts the person's jobs that are there or go before it; none may pass `the_most`. Within a
    server they go by these turns, and in this order they count for the server. With `some_closed`, the jobs
    of `the_closed` providers are left out. `the_most_each` of a line are looked at: no more can be chosen.
    """
    lines = _lines(some_closed)
    there = (
        select(*PERSON, func.count().label("theirs"))
        .where(jobs.c.state.in_(sorted(AT_PROVIDER)))
        .group_by(*PERSON)
        .cte("there")
    )
    servers_there = (
        select(there.c.platform, there.c.server, func.sum(there.c.theirs).label("theirs"))
        .group_by(there.c.platform, there.c.server)
        .cte("servers_there")
    )
    turns = (
        select(
            lines.c.id,
            lines.c.created_at,
            lines.c.platform,
            lines.c.server,
            (func.coalesce(there.c.theirs, 0) + lines.c.place).label("turn"),
        )
        .select_from(lines)
        .outerjoin(
            there,
            (there.c.platform == lines.c.platform)
            & (there.c.server == lines.c.server)
            & (there.c.actor_id == lines.c.actor_id),
        )
        .cte("turns")
    )
    place_in_server = func.row_number().over(
        partition_by=(turns.c.platform, turns.c.server),
        order_by=(turns.c.turn, turns.c.created_at, turns.c.id),
    )
    chosen = (
        select(turns.c.id)
        .select_from(turns)
        .outerjoin(
            servers_there,
            (servers_there.c.platform == turns.c.platform) & (servers_there.c.server == turns.c.server),
        )
        .where(turns.c.turn <= bindparam("the_most"))
        .order_by(func.coalesce(servers_there.c.theirs, 0) + place_in_server, turns.c.created_at, turns.c.id)
        .limit(bindparam("the_limit"))
    )
    return (
        update(jobs)
        .where(jobs.c.id.in_(chosen), _in_queue())
        .values(
            state=State.SUBMITTING.value,
            attempt=jobs.c.attempt + 1,
            lease_until=bindparam("lease_until"),
            code=null(),
            facts={},
        )
        .returning(*job_columns)
    )


@cache
def claim() -> Update:
    """Jobs of one state that are due and held by nobody: all of them."""
    due = (
        select(jobs.c.id)
        .where(jobs.c.state == bindparam("the_state"), jobs.c.claimable_at <= bindparam("the_now"))
        .order_by(jobs.c.claimable_at)
        .with_for_update(skip_locked=True)  # on databases with row locks; SQLite has none and writes none
    )
    return _claimed(due)


@cache
def claim_some() -> Update:
    """As many of them as `the_limit`: everybody's first, then everybody's second."""
    turn = func.row_number().over(partition_by=PERSON, order_by=jobs.c.claimable_at)
    turns = (
        select(jobs.c.id, jobs.c.claimable_at, turn.label("turn"))
        .where(jobs.c.state == bindparam("the_state"), jobs.c.claimable_at <= bindparam("the_now"))
        .cte("turns")
    )
    return _claimed(
        select(turns.c.id).order_by(turns.c.turn, turns.c.claimable_at).limit(bindparam("the_limit"))
    )


def _claimed(due: Select[Any]) -> Update:
    return (
        update(jobs)
        .where(jobs.c.id.in_(due), jobs.c.claimable_at <= bindparam("the_now"))
        .values(attempt=jobs.c.attempt + 1, lease_until=bindparam("lease_until"))
        .returning(*job_columns)
    )


@cache
def renew() -> Update:
    """A held job stays held; one that was let go in the meantime is left alone."""
    return update(jobs).where(jobs.c.id == bindparam("the_id"), jobs.c.lease_until.is_not(None))


@cache
def void_leases() -> Update:
    """Nobody holds any job."""
    held = (jobs.c.state.in_(sorted(OPEN)), jobs.c.lease_until.is_not(None))
    return update(jobs).where(*held).values(lease_until=null())


# -- jobs: moving


@cache
def move() -> Update:
    """A move: only while the job still is in this state and at this attempt."""
    return (
        update(jobs)
        .where(
            jobs.c.id == bindparam("the_id"),
            jobs.c.state == bindparam("the_state"),
            jobs.c.attempt == bindparam("the_attempt"),
        )
        .returning(*job_columns)
    )


@cache
def requeue() -> Update:
    """As `move`, and let go, but for who is to honour a cancel."""
    cancelled = jobs.c.cancel_requested.is_not(None)
    return move().values(lease_until=case((cancelled, jobs.c.lease_until), else_=null()))


@cache
def cancel_in_queue() -> Update:
    """A cancel is honoured at once while the job waits in the queue."""
    return update(jobs).where(jobs.c.id == bindparam("the_id"), _in_queue()).returning(*job_columns)


@cache
def request_cancel() -> Update:
    """A cancel is noted while the job is at the provider; the first who asked is kept."""
    return (
        update(jobs)
        .where(jobs.c.id == bindparam("the_id"), jobs.c.state.in_(sorted(AT_PROVIDER)))
        .values(cancel_requested=func.coalesce(jobs.c.cancel_requested, bindparam("the_asker")))
        .returning(*job_columns)
    )


@cache
def redeliver() -> Update:
    """What no place took is to be posted again; why it wasn't taken is forgotten, why it failed is not.

    A new attempt: who could not deliver it before has nothing to say any more.
    """
    ready = jobs.c.outcome == Outcome.READY.value
    return (
        update(jobs)
        .where(
            jobs.c.id == bindparam("the_id"),
            jobs.c.state == State.UNDELIVERED.value,
            or_(~ready, jobs.c.code.is_distinct_from("removed")),
        )
        .values(attempt=jobs.c.attempt + 1, code=case((ready, null()), else_=jobs.c.code))
        .returning(*job_columns)
    )


@cache
def remove_media() -> Update:
    """The result of an ended job is to be forgotten; what failed keeps its reason."""
    ended = sorted(set(State) - OPEN)
    ready = jobs.c.outcome == Outcome.READY.value
    return (
        update(jobs)
        .where(jobs.c.id == bindparam("the_id"), jobs.c.state.in_(ended))
        .values(
            code=case((ready, "removed"), else_=jobs.c.code),
            facts=case((ready, bindparam("the_facts", type_=JSON)), else_=jobs.c.facts),
        )
        .returning(*job_columns)
    )


@cache
def save_posted() -> Update:
    """What stands in the place of a job that isn't done."""
    return update(jobs).where(jobs.c.id == bindparam("the_id"), jobs.c.state != State.DONE.value)


@cache
def forget_jobs() -> Delete:
    """Some of the jobs that have ended and are older than a time."""
    ended = sorted(set(State) - OPEN)
    old = (
        select(jobs.c.id)
        .where(jobs.c.state.in_(ended), jobs.c.created_at < bindparam("the_time"))
        .limit(bindparam("the_limit"))
    )
    return delete(jobs).where(jobs.c.id.in_(old))


@cache
def delete_jobs_by_id() -> Delete:
    """These jobs."""
    return delete(jobs).where(jobs.c.id.in_(bindparam("the_ids", expanding=True)))


# -- jobs: after a backup was put back


@cache
def doubt_queue() -> Update:
    """What waited may have been sent since: it is looked for at the provider before anybody sends it."""
    return (
        update(jobs)
        .where(_in_queue())
        .values(
            state=State.SUBMITTING.value,
            attempt=jobs.c.attempt + 1,
            lease_until=null(),
            code="lost_answer",
            facts={"restored": True},
        )
    )


@cache
def open_posts() -> Select[*tuple[Any, ...]]:
    """What stands of each job that is open."""
    return select(jobs.c.id, jobs.c.posted).where(jobs.c.state.in_(sorted(OPEN)))


@cache
def delete_all_sessions() -> Delete:
    """Everybody leaves."""
    return delete(sessions)


@cache
def delete_all_logins() -> Delete:
    """No code lets anybody in."""
    return delete(logins)


# -- jobs: looking


@cache
def job() -> Select[*tuple[Any, ...]]:
    """One job."""
    return select(*job_columns).where(jobs.c.id == bindparam("the_id"))


@cache
def jobs_of_person() -> Select[*tuple[Any, ...]]:
    """A person's jobs, newest first."""
    newest_first = (jobs.c.created_at.desc(), jobs.c.id.desc())
    return select(*job_columns).where(*_is_person()).order_by(*newest_first).limit(bindparam("the_limit"))


@cache
def count_ahead() -> Select[int]:
    """How many jobs of the queue are older than one."""
    age = tuple_(jobs.c.created_at, jobs.c.id)
    mine = tuple_(bindparam("the_created_at"), bindparam("the_id"))
    return select(func.count()).select_from(jobs).where(_in_queue(), age < mine)


@cache
def queue() -> Select[*tuple[Any, ...]]:
    """The queue, oldest first."""
    return (
        select(*job_columns)
        .where(_in_queue())
        .order_by(jobs.c.created_at, jobs.c.id)
        .limit(bindparam("the_limit"))
    )


@cache
def cancels() -> Select[*tuple[Any, ...]]:
    """Running jobs that somebody wants cancelled."""
    return select(*job_columns).where(
        jobs.c.state == State.RUNNING.value, jobs.c.cancel_requested.is_not(None)
    )


@cache
def count_by_state() -> Select[str, int]:
    """How many jobs are in each state."""
    return select(jobs.c.state, func.count()).group_by(jobs.c.state)


@cache
def next_due(states: frozenset[State]) -> CompoundSelect[*tuple[Any, ...]]:
    """When the next job of each state may be claimed."""
    return union_all(*(_next_due(state) for state in sorted(states)))


def _next_due(state: State) -> Select[float]:
    return select(func.min(jobs.c.claimable_at)).where(jobs.c.state == state.value)


@cache
def durations() -> Select[float]:
    """How long a model took for its newest results."""
    return (
        select(jobs.c.took)
        .where(
            jobs.c.model == bindparam("the_model"),
            jobs.c.took.is_not(None),
            jobs.c.outcome == Outcome.READY.value,
        )
        .order_by(jobs.c.created_at.desc())
        .limit(bindparam("the_limit"))
    )


@cache
def known_predictions() -> Select[str]:
    """Which of these predictions belong to jobs."""
    return select(jobs.c.prediction).where(
        jobs.c.prediction.in_(bindparam("the_predictions", expanding=True))
    )


@cache
def files_in_use() -> Select[*tuple[Any, ...]]:
    """The files of jobs that are open or younger than a time: the next page of them, by id."""
    return (
        select(jobs.c.id, jobs.c.inputs, jobs.c.media)
        .where(
            jobs.c.id > bindparam("the_last_id"),
            or_(jobs.c.created_at >= bindparam("the_time"), jobs.c.state.in_(sorted(OPEN))),
        )
        .order_by(jobs.c.id)
        .limit(bindparam("the_limit"))
    )


# -- the web page: who is there


@cache
def insert_login() -> Insert:
    """A code that lets one person in once."""
    return insert(logins)


@cache
def redeem_login() -> Update:
    """Use a code up, where it still is good."""
    return (
        update(logins)
        .where(
            logins.c.code_hash == bindparam("the_code_hash"),
            logins.c.used_at.is_(None),
            logins.c.expires_at > bindparam("the_now"),
        )
        .values(used_at=bindparam("the_now"))
        .returning(*logins.c)
    )


@cache
def insert_session() -> Insert:
    """Somebody is let in."""
    return insert(sessions)


@cache
def session() -> Select[*tuple[Any, ...]]:
    """Who a session belongs to, while it lasts."""
    return select(*sessions.c).where(
        sessions.c.token_hash == bindparam("the_token_hash"), sessions.c.expires_at > bindparam("the_now")
    )


@cache
def delete_session() -> Delete:
    """Somebody leaves."""
    return delete(sessions).where(sessions.c.token_hash == bindparam("the_token_hash"))


@cache
def delete_expired_sessions() -> Delete:
    """Sessions that are over."""
    return delete(sessions).where(sessions.c.expires_at <= bindparam("the_now"))


@cache
def delete_expired_logins() -> Delete:
    """Codes that let nobody in any more."""
    return delete(logins).where(logins.c.expires_at <= bindparam("the_now"))


# -- the web page: what was said


@cache
def all_channels() -> Select[*tuple[Any, ...]]:
    """The channels, oldest first."""
    return select(*channels.c).order_by(channels.c.created_at, channels.c.id)


@cache
def channel() -> Select[*tuple[Any, ...]]:
    """One channel."""
    return select(*channels.c).where(channels.c.id == bindparam("the_id"))


@cache
def insert_channel() -> Insert:
    """A new channel."""
    return insert(channels)


def _messages() -> Select[*tuple[Any, ...]]:
    answers = messages.alias("answers")
    count = select(func.count()).select_from(answers).where(answers.c.thread == messages.c.id)
    return select(*messages.c, count.scalar_subquery().label("reply_count"))


@cache
def message() -> Select[*tuple[Any, ...]]:
    """One message."""
    return _messages().where(messages.c.id == bindparam("the_id"))


@cache
def message_by_key() -> Select[*tuple[Any, ...]]:
    """The message that a key has made."""
    return _messages().where(messages.c.key == bindparam("the_key"))


@cache
def top_messages() -> Select[*tuple[Any, ...]]:
    """A channel's messages at the top level before an id, newest first."""
    return _page(messages.c.thread.is_(None))


@cache
def thread_messages() -> Select[*tuple[Any, ...]]:
    """A thread's messages before an id, newest first."""
    return _page(messages.c.thread == bindparam("the_thread"))


def _page(level: Condition) -> Select[*tuple[Any, ...]]:
    return (
        _messages()
        .where(messages.c.channel == bindparam("the_channel"), level, messages.c.id < bindparam("the_before"))
        .order_by(messages.c.id.desc())
        .limit(bindparam("the_limit"))
    )


@cache
def insert_message() -> Insert:
    """Something is said; gives its id."""
    return insert(messages).returning(messages.c.id)


@cache
def update_message() -> Update:
    """Something is said anew."""
    return update(messages).where(messages.c.id == bindparam("the_id"))


@cache
def messages_of_person() -> Select[*tuple[Any, ...]]:
    """What somebody has said, and what was made for them, oldest first. There is no index: it is rare."""
    person: BindParameter[str] = bindparam("the_person")
    asked_by = messages.c.body["asked_by"].as_string() == person
    return (
        select(*messages.c)
        .where((messages.c.author["id"].as_string() == person) | asked_by)
        .order_by(messages.c.id)
    )


@cache
def delete_events_of() -> Delete:
    """What readers were told of some messages."""
    of_messages = events.c.kind.in_(("message", "edit"))
    ids: BindParameter[list[int]] = bindparam("the_ids", expanding=True)
    return delete(events).where(of_messages, events.c.data["id"].as_integer().in_(ids))


@cache
def delete_visits() -> Delete:
    """Every session of a person."""
    return delete(sessions).where(sessions.c.actor_id == bindparam("the_person"))


@cache
def delete_invitations() -> Delete:
    """Every code that lets a person in."""
    return delete(logins).where(logins.c.actor_id == bindparam("the_person"))


@cache
def insert_event() -> Insert:
    """Something for the readers of a channel to hear of."""
    return insert(events)


@cache
def events_after() -> Select[*tuple[Any, ...]]:
    """What happened after an event, oldest first."""
    return (
        select(*events.c)
        .where(events.c.id > bindparam("the_id"))
        .order_by(events.c.id)
        .limit(bindparam("the_limit"))
    )


@cache
def first_event() -> Select[int]:
    """The id of the oldest event that is kept."""
    return select(func.coalesce(func.min(events.c.id), 0))


@cache
def last_event() -> Select[int]:
    """The id of the newest event."""
    return select(func.coalesce(func.max(events.c.id), 0))


@cache
def forget_events() -> Delete:
    """Events before a time, but never the newest: readers ask for what came after it."""
    newest = select(func.max(events.c.id)).scalar_subquery()
    return delete(events).where(events.c.created_at < bindparam("the_time"), events.c.id < newest)


# -- where it is installed


def _is_server() -> tuple[Condition, ...]:
    return installs.c.platform == bindparam("the_platform"), installs.c.server == bindparam("the_server")


def _is_unchanged() -> tuple[Condition, ...]:
    """The install that was looked at: not changed since, and not removed and made anew."""
    return (
        *_is_server(),
        installs.c.created_at == bindparam("the_created_at"),
        installs.c.revision == bindparam("the_revision"),
    )


@cache
def install() -> Select[*tuple[Any, ...]]:
    """What one server gave us."""
    return select(*installs.c).where(*_is_server())


@cache
def all_installs() -> Select[*tuple[Any, ...]]:
    """Every server that gave us anything, the oldest first."""
    return select(*installs.c).order_by(installs.c.created_at, installs.c.platform, installs.c.server)


@cache
def insert_install() -> Insert:
    """A server lets us in."""
    return insert(installs)


@cache
def update_install() -> Update:
    """A server lets us in anew."""
    return update(installs).where(*_is_server())


@cache
def renew_install() -> Update:
    """Other secrets for the same install, where nobody else has changed them."""
    return update(installs).where(*_is_unchanged()).returning(*installs.c)


@cache
def hold_install() -> Update:
    """Keep others from changing an install's secrets for a while, where nobody does so already."""
    free = or_(installs.c.held_until.is_(None), installs.c.held_until <= bindparam("the_now"))
    return update(installs).where(*_is_unchanged(), free).returning(*installs.c)


@cache
def delete_install() -> Delete:
    """A server lets us in no more."""
    return delete(installs).where(*_is_server())


@cache
def delete_install_at() -> Delete:
    """The same, where it is still the install that was looked at."""
    return delete(installs).where(*_is_unchanged())


@cache
def delete_covered() -> Delete:
    """Servers that were let in by their parent only."""
    return delete(installs).where(
        installs.c.platform == bindparam("the_platform"),
        installs.c.parent == bindparam("the_server"),
        installs.c.sealed.is_(None),
    )


@cache
def insert_state() -> Insert:
    """Somebody sets out to let us in."""
    return insert(states)


@cache
def redeem_state() -> ReturningDelete[*tuple[Any, ...]]:
    """Use a state up, where it still is good."""
    return (
        delete(states)
        .where(
            states.c.state_hash == bindparam("the_state_hash"),
            states.c.platform == bindparam("the_platform"),
            states.c.expires_at > bindparam("the_now"),
        )
        .returning(states.c.state_hash)
    )


@cache
def delete_expired_states() -> Delete:
    """States that lead nowhere any more."""
    return delete(states).where(states.c.expires_at <= bindparam("the_now"))
