"""The web page's tables: logins, sessions, channels, messages and their events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from bot.errors import Refused
from bot.jobs import Actor
from bot.store import Chat, Message, Store

NOW = 1_700_000_000.0
ANN = Actor("web", "ann", "Änn", "studio", "de")
AUTHOR = {"id": "ann", "name": "Änn"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(f"sqlite:///{tmp_path / 'threadreel.db'}") as store:
        yield store


@pytest.fixture
def chat(store: Store) -> Chat:
    return store.chat


async def say(chat: Chat, text: str, channel: str = "studio", now: float = NOW, **more: Any) -> Message:
    wanted = {"thread": None, "author": AUTHOR, "kind": "text", "key": None, **more}
    message, _ = await chat.post(channel, body={"text": text}, now=now, **wanted)
    return message


def texts(messages: list[Message]) -> list[str]:
    return [message.body["text"] for message in messages]


# -- who is there


async def test_a_code_lets_its_person_in_once(chat: Chat) -> None:
    await chat.add_login("code", ANN, NOW + 60)

    assert await chat.redeem_login("code", NOW) == ANN
    assert await chat.redeem_login("code", NOW) is None


async def test_of_many_who_use_a_code_at_once_one_gets_in(chat: Chat) -> None:
    await chat.add_login("code", ANN, NOW + 60)

    let_in = await asyncio.gather(*(chat.redeem_login("code", NOW) for _ in range(20)))

    assert [actor for actor in let_in if actor] == [ANN]


async def test_a_code_that_is_over_or_unknown_lets_nobody_in(chat: Chat) -> None:
    await chat.add_login("code", ANN, NOW)

    assert await chat.redeem_login("code", NOW) is None
    assert await chat.redeem_login("other", NOW) is None


async def test_a_session_lasts_until_it_is_over_or_ended(chat: Chat) -> None:
    await chat.add_session("token", ANN, NOW, NOW + 60)

    assert await chat.session("token", NOW + 59) == ANN
    assert await chat.session("token", NOW + 60) is None
    assert await chat.session("other", NOW) is None

    await chat.end_session("token")
    assert await chat.session("token", NOW) is None


async def test_what_is_over_is_forgotten_when_somebody_comes_in(chat: Chat) -> None:
    await chat.add_session("old", ANN, NOW, NOW + 1)
    await chat.add_login("code", ANN, NOW + 1)
    await chat.add_login("good", ANN, NOW + 60)

    await chat.add_session("new", ANN, NOW + 2, NOW + 60)

    assert await chat.session("old", NOW) is None
    assert await chat.redeem_login("code", NOW) is None
    assert await chat.redeem_login("good", NOW + 2) == ANN


# -- channels


async def test_there_is_a_studio_from_the_start(chat: Chat) -> None:
    assert [(channel.id, channel.title) for channel in await chat.channels()] == [("studio", "Studio")]


async def test_a_channel_is_made_once_and_told_of_once(chat: Chat) -> None:
    made = await chat.add_channel("films", "Films", NOW * 2)
    again = await chat.add_channel("films", "Other films", NOW * 3)

    assert again == made
    assert [channel.id for channel in await chat.channels()] == ["studio", "films"]
    (event,) = await chat.events_after(0)
    assert (event.channel, event.kind, event.data) == ("films", "channel", asdict(made))


# -- messages


async def test_a_message_reads_back_and_is_told_of(chat: Chat) -> None:
    said, fresh = await chat.post(
        "studio", thread=None, author=AUTHOR, kind="card", body={"job": "j1", "n": [1]}, key="job-1", now=NOW
    )

    assert fresh
    assert await chat.message(said.id) == await chat.by_key("job-1") == said
    assert await chat.messages("studio") == [said]
    (event,) = await chat.events_after(0)
    assert (event.channel, event.kind, event.data, event.created_at) == (
        "studio",
        "message",
        asdict(said),
        NOW,
    )


async def test_the_same_key_says_it_once(chat: Chat) -> None:
    answers = await asyncio.gather(
        *(
            chat.post(
                "studio", thread=None, author=AUTHOR, kind="text", body={"text": str(n)}, key="k", now=NOW
            )
            for n in range(10)
        )
    )

    assert [fresh for _, fresh in answers].count(True) == 1
    assert len({message.id for message, _ in answers}) == 1
    assert len(await chat.events_after(0)) == 1


async def test_messages_without_a_key_are_all_kept(chat: Chat) -> None:
    await say(chat, "hello")
    await say(chat, "hello")

    assert texts(await chat.messages("studio")) == ["hello", "hello"]


async def test_answers_stand_in_their_thread_and_are_counted(chat: Chat) -> None:
    root = await say(chat, "root")
    other = await say(chat, "other")
    for number in range(3):
        await say(chat, f"answer {number}", thread=root.id)

    assert texts(await chat.messages("studio")) == ["root", "other"]
    assert [one.reply_count for one in await chat.messages("studio")] == [3, 0]
    assert texts(await chat.messages("studio", thread=root.id)) == ["answer 0", "answer 1", "answer 2"]
    assert await chat.messages("studio", thread=other.id) == []


async def test_pages_go_back_from_the_newest(chat: Chat) -> None:
    for number in range(7):
        await say(chat, str(number))

    last = await chat.messages("studio", limit=3)
    before = await chat.messages("studio", before=last[0].id, limit=3)

    assert texts(last) == ["4", "5", "6"]
    assert texts(before) == ["1", "2", "3"]
    assert texts(await chat.messages("studio", before=before[0].id, limit=3)) == ["0"]


async def test_channels_keep_to_themselves(chat: Chat) -> None:
    await chat.add_channel("films", "Films", NOW)
    await say(chat, "here")
    await say(chat, "there", channel="films")

    assert texts(await chat.messages("studio")) == ["here"]
    assert texts(await chat.messages("films")) == ["there"]


async def test_nothing_can_be_said_where_there_is_no_place_for_it(chat: Chat) -> None:
    await chat.add_channel("films", "Films", NOW)
    root = await say(chat, "root")
    answer = await say(chat, "answer", thread=root.id)
    last = await chat.last_event()

    for channel, thread in [("none", None), ("studio", 999), ("films", root.id), ("studio", answer.id)]:
        with pytest.raises(Refused, match="not_found"):
            await say(chat, "lost", channel=channel, thread=thread)
    assert await chat.last_event() == last


async def test_an_edit_is_kept_and_told_of_once(chat: Chat) -> None:
    said = await say(chat, "working", kind="card")
    await say(chat, "an answer", thread=said.id)
    last = await chat.last_event()

    edited = await chat.edit(said.id, body={"text": "ready"}, kind="result", now=NOW + 5)
    again = await chat.edit(said.id, body={"text": "ready"}, now=NOW + 9)

    assert edited is not None
    assert (edited.body, edited.kind, edited.created_at) == ({"text": "ready"}, "result", NOW)
    assert (edited.updated_at, edited.reply_count) == (NOW + 5, 1)
    assert again == edited == await chat.message(said.id)
    (event,) = await chat.events_after(last)
    assert (event.kind, event.data) == ("edit", asdict(edited))


async def test_what_is_not_there_is_none(chat: Chat) -> None:
    assert await chat.edit(99, body={}, now=NOW) is None
    assert await chat.message(99) is None
    assert await chat.by_key("none") is None
    assert await chat.messages("none") == []


# -- events


async def test_a_reader_that_comes_back_misses_nothing(chat: Chat) -> None:
    for number in range(5):
        await say(chat, str(number))

    first = await chat.events_after(0, limit=2)
    rest = await chat.events_after(first[-1].id)

    assert [event.data["body"]["text"] for event in first + rest] == ["0", "1", "2", "3", "4"]
    assert [event.id for event in first + rest] == sorted(event.id for event in first + rest)
    assert await chat.events_after(rest[-1].id) == []


async def test_readers_of_the_latest_never_see_an_earlier_event_appear_later(chat: Chat) -> None:
    """Ids are given in the order of commits: who has read up to one has missed none before it."""
    seen: list[int] = []

    async def read() -> None:
        while len(seen) < 200:
            seen.extend(event.id for event in await chat.events_after(seen[-1] if seen else 0))

    await asyncio.gather(read(), *(say(chat, str(number)) for number in range(200)))

    assert seen == list(range(1, 201))


async def test_old_events_are_forgotten_but_their_numbers_go_on(chat: Chat) -> None:
    assert (await chat.first_event(), await chat.last_event()) == (0, 0)
    for number in range(3):
        await say(chat, str(number), now=NOW + number)

    assert await chat.forget_events_before(NOW + 1) == 1
    assert (await chat.first_event(), await chat.last_event()) == (2, 3)

    assert await chat.forget_events_before(NOW + 1000) == 1
    assert (await chat.first_event(), await chat.last_event()) == (3, 3)
    await say(chat, "next")
    assert await chat.last_event() == 4


async def test_what_was_said_survives_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'threadreel.db'}"
    async with await Store.open(url) as store:
        said = await say(store.chat, "remember", now=NOW)
    async with await Store.open(url) as store:
        assert await store.chat.messages("studio") == [said]
        assert await store.chat.last_event() == 1


# -- what is taken down, and who is forgotten


async def card(chat: Chat, asked_by: str, key: str) -> tuple[Message, Message]:
    """A job's card, and the result in its thread that the bot has posted."""
    author = {"id": asked_by, "name": asked_by}
    body = {"text": "/imagine a fox", "asked_by": asked_by}
    more: dict[str, Any] = {"kind": "card", "author": author, "key": key, "now": NOW}
    top, _ = await chat.post("studio", thread=None, body=body, **more)
    bot = {"id": "threadreel", "name": "Threadreel", "bot": True}
    more |= {"kind": "result", "author": bot, "key": f"{key}/result"}
    result, _ = await chat.post("studio", thread=top.id, body=body, **more)
    return top, result


async def test_a_login_for_who_looks_after_the_page_makes_such_a_session(chat: Chat) -> None:
    for manages in (True, False):
        who = replace(ANN, manages=manages)
        await chat.add_login(f"code-{manages}", who, NOW + 60)
        found = await chat.redeem_login(f"code-{manages}", NOW)
        assert found is not None
        await chat.add_session(f"token-{manages}", found, NOW, NOW + 60)
        session = await chat.session(f"token-{manages}", NOW)
        assert (found.manages, session and session.manages) == (manages, manages)


async def test_what_is_taken_down_is_gone_for_readers_old_and_new(chat: Chat) -> None:
    kept = await say(chat, "kept")
    top, result = await card(chat, "ann", "k1")
    before = await chat.last_event()

    await chat.take_down([top.id, result.id], body={"text": "Deleted."}, now=NOW + 1)

    shown = [await chat.message(one.id) for one in (top, result)]
    assert [(one.kind, one.body) for one in shown if one] == [("gone", {"text": "Deleted."})] * 2
    told = await chat.events_after(0)
    assert "a fox" not in str([event.data for event in told]), "not even to who follows from the beginning"
    assert [event.data["id"] for event in told if event.id > before] == [top.id, result.id]
    assert (await chat.message(kept.id)) == kept


async def test_who_is_forgotten_leaves_nothing_of_theirs_and_others_keep_what_they_said(chat: Chat) -> None:
    said = await say(chat, "my secret", key="web:ann:1")
    answer = await say(chat, "an answer", author={"id": "bob", "name": "Bob"}, thread=said.id)
    await card(chat, "ann", "k1")
    await card(chat, "bob", "k2")
    for who in (ANN, replace(ANN, id="bob", name="Bob")):
        await chat.add_session(f"token-{who.id}", who, NOW, NOW + 60)
        await chat.add_login(f"code-{who.id}", who, NOW + 60)

    await chat.forget("ann", author={"id": "", "name": "Somebody"}, body={"text": "Forgotten."}, now=NOW + 1)

    everything = str([event.data for event in await chat.events_after(0)])
    everything += str([asdict(one) for one in await chat.messages("studio")])
    assert "secret" not in everything
    assert "Änn" not in everything
    assert everything.count("/imagine a fox") == 3, "Bob's card, as a message and as two events"
    assert await chat.message(answer.id) == answer
    assert await chat.session("token-ann", NOW) is None
    assert await chat.redeem_login("code-ann", NOW) is None
    assert await chat.session("token-bob", NOW) is not None
    assert await chat.redeem_login("code-bob", NOW) is not None


async def test_a_post_still_under_way_finds_that_its_card_was_taken_down(chat: Chat) -> None:
    top, _ = await card(chat, "ann", "k1")
    await chat.forget("ann", author={"id": "", "name": "Somebody"}, body={"text": "Forgotten."}, now=NOW)

    found, is_new = await chat.post(
        "studio", thread=None, author=AUTHOR, kind="card", body={"text": "/imagine"}, key="k1", now=NOW
    )

    assert (found.id, found.kind, is_new) == (top.id, "gone", False)
