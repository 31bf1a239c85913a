"""Where results go, what is missing there, and what becomes of them where the place is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.jobs import Outcome, State
from tests import media_samples as samples
from tests.discord.rig import Stage, stage
from tests.discord_server import ClientRefused, P
from tests.discord_server.state import Channel

SLOW: dict[str, Any] = {"boot_seconds": 0.5}


async def test_in_a_thread_it_stays_in_the_thread(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        thread = on.general.thread("talk", on.ada)
        job = await on.run("imagine", {"prompt": "a fox"}, channel=thread)
        result = on.message(job)
        assert result.channel is thread
        assert result.replied_to is on.message(job, "card")


async def test_in_a_forum_s_post_it_stays_in_the_post(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        post = on.guild.forum("ideas").thread("a post", on.ada)
        job = await on.run("imagine", {"prompt": "a fox"}, channel=post)
        assert on.message(job).channel is post


async def test_in_a_voice_channel_s_chat_it_is_a_reply(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        voice = on.guild.voice("lounge")
        job = await on.run("imagine", {"prompt": "a fox"}, channel=voice)
        assert on.message(job).replied_to is on.message(job, "card")


async def test_in_private_messages_it_is_a_reply(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        job = await on.run("imagine", {"prompt": "a fox"}, channel=on.ada.dm())
        assert job.actor.server == f"@{on.ada.id}"
        assert on.message(job).replied_to is on.message(job, "card")


@pytest.mark.parametrize("results", ["reply", "channel"])
async def test_the_owner_may_want_no_threads(tmp_path: Path, results: str) -> None:
    async with stage(tmp_path, settings={"results": results}) as on:
        job = await on.run("imagine", {"prompt": "a fox"})
        result, card = on.message(job), on.message(job, "card")
        assert result.channel is on.general
        assert result.replied_to is (card if results == "reply" else None)
        link = f"https://discord.com/channels/{on.guild.id}/{on.general.id}/{result.id}"
        await on.server.until(lambda: [b.url for b in card.buttons] == [link])


async def test_where_no_thread_may_hang_it_is_a_reply(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.general.deny(on.server.bot, P.CREATE_PUBLIC_THREADS)
        job = await on.run("imagine", {"prompt": "a fox"})
        assert on.message(job).replied_to is on.message(job, "card")


async def test_where_there_are_too_many_threads_it_is_a_reply(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.general.thread("one", on.ada)
        on.server.limits.active_threads = 1
        job = await on.run("imagine", {"prompt": "a fox"})
        assert on.message(job).channel is on.general


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (P.SEND_MESSAGES, "Send Messages"),
        (P.ATTACH_FILES, "Attach Files"),
        (P.SEND_MESSAGES | P.ATTACH_FILES, "Send Messages and Attach Files"),
        (P.VIEW_CHANNEL, "View Channel"),
    ],
)
async def test_missing_permissions_are_named_before_anything_is_accepted(
    tmp_path: Path, missing: P, named: str
) -> None:
    async with stage(tmp_path) as on:
        on.general.deny(on.server.bot, missing)
        reply = await on.ada.command("imagine", {"prompt": "a fox"}, channel=on.general)
        assert reply.ephemeral
        assert named in reply.text
        assert sum((await on.studio.store.counts()).values()) == 0


async def test_in_threads_another_permission_counts(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        thread = on.general.thread("talk", on.ada)
        on.general.deny(on.server.bot, P.SEND_MESSAGES_IN_THREADS)
        reply = await on.ada.command("imagine", {"prompt": "a fox"}, channel=thread)
        assert "Send Messages in Threads" in reply.text


async def test_private_messages_are_let_in_by_a_name_of_their_own(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.studio.core._rules = replace(on.studio.core._rules, servers=(f"discord:{on.guild.id}",))
        reply = await on.ada.command("imagine", {"prompt": "a fox"}, channel=on.ada.dm())
        await reply.until(lambda r: bool(r.followups))
        assert "may not be used here yet" in reply.followups[0].text
        on.studio.core._rules = replace(on.studio.core._rules, servers=("discord:dm",))
        job = await on.run("imagine", {"prompt": "a fox"}, channel=on.ada.dm())
        assert job.outcome is Outcome.READY


async def test_where_the_app_is_only_a_persons_it_is_not_offered(tmp_path: Path) -> None:
    """It could not post there: there is no bot in that server."""
    async with stage(tmp_path) as on:
        elsewhere = on.server.guild("Wolves", has_bot=False)
        bob = on.server.person("Bob", elsewhere, has_app=True)
        with pytest.raises(ClientRefused):
            await bob.command("imagine", {"prompt": "a fox"}, channel=elsewhere.text("den"))


async def test_a_server_that_is_not_let_in_is_told_so(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.studio.core._rules = replace(on.studio.core._rules, servers=("discord:7",))
        reply = await on.ada.command("imagine", {"prompt": "a fox"}, channel=on.general)
        await reply.until(lambda r: bool(r.followups))
        assert "may not be used here yet" in reply.followups[0].text
        assert reply.followups[0].ephemeral
        assert reply.message is None


# -- age


async def test_switching_the_check_off_needs_an_age_restricted_channel(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        options = {"prompt": "a fox", "nosafety": True}
        reply = await on.ada.command("imagine", options, channel=on.general)
        await reply.until(lambda r: bool(r.followups))
        assert "age-restricted" in reply.followups[0].text
        adult = on.guild.text("adult", nsfw=True)
        thread = adult.thread("talk", on.ada)
        for place in (adult, thread):
            job = await on.run("imagine", options, channel=place)
            assert job.outcome is Outcome.READY


async def test_models_for_adults_may_be_kept_to_such_channels(tmp_path: Path) -> None:
    async with stage(tmp_path, settings={"adults": "age_restricted"}) as on:
        registered = on.server.registry.find(1, "imagine", on.guild)
        assert registered is not None
        assert registered["nsfw"]
        reply = await on.ada.command("run", {"model": "imagine", "options": "a fox"}, channel=on.general)
        assert reply.ephemeral
        assert "age-restricted" in reply.text
        picture = ("fox.png", samples.still("PNG"))
        assert (await on.run("cutout", {"image": picture})).outcome is Outcome.READY


# -- places that vanish in the middle of a job


def _vanish(on: Stage, what: str) -> None:
    acts: dict[str, Callable[[], Any]] = {
        "channel": on.general.delete,
        "kicked": on.guild.kick_bot,
        "server": on.guild.delete,
        "denied": lambda: on.general.deny(on.server.bot, P.VIEW_CHANNEL),
        "role": next(role for role in on.guild.roles.values() if role.managed).delete,
    }
    if what == "role":
        on.guild.everyone.set(P.VIEW_CHANNEL | P.USE_APPLICATION_COMMANDS)
    acts[what]()


@pytest.mark.parametrize("what", ["channel", "kicked", "server", "denied", "role"])
async def test_a_result_whose_place_is_gone_comes_in_private(tmp_path: Path, what: str) -> None:
    async with stage(tmp_path, sandbox_options=SLOW) as on:
        shared = on.server.guild("Shared")
        shared.join(on.ada)
        reply = await on.ada.command("imagine", {"prompt": "a fox"}, channel=on.general)
        job = await on.job_of(reply)
        _vanish(on, what)
        ended = await on.studio.ended(job)
        assert (ended.state, ended.outcome) == (State.DONE, Outcome.READY)
        (private,) = on.server.messages(on.ada.dm())
        assert "its own place is gone" in private.text
        assert [file.sha256 for file in private.files] == [ended.media[0].digest]
        again = await on.ended(await on.ada.press(private, label="Again"))
        assert again.outcome is Outcome.READY


async def test_where_no_place_is_left_the_result_is_kept_and_can_be_had_later(tmp_path: Path) -> None:
    async with stage(tmp_path, sandbox_options=SLOW) as on:
        on.ada.user.takes_dms = False
        lounge = on.guild.text("lounge")
        reply = await on.ada.command("imagine", {"prompt": "a fox"}, channel=on.general)
        job = await on.job_of(reply)
        on.general.delete()
        ended = await on.studio.ended(job)
        assert (ended.state, ended.code) == (State.UNDELIVERED, "place_gone")
        listed = await (await on.ada.command("jobs", channel=lounge)).answered()
        assert listed.message is not None
        await on.ada.press(listed.message, label="Post again")
        await on.server.until(lambda: any(message.files for message in on.server.messages(lounge)))
        posted = await on.studio.ended(job)
        assert on.message(posted).channel is lounge


async def test_a_result_whose_card_was_deleted_still_comes(tmp_path: Path) -> None:
    async with stage(tmp_path, sandbox_options=SLOW) as on:
        reply = await on.ada.command("imagine", {"prompt": "a fox"}, channel=on.general)
        job = await on.job_of(reply)
        assert reply.message is not None
        reply.message.delete()
        ended = await on.studio.ended(job)
        assert ended.state is State.DONE
        assert on.message(ended).channel is on.general


async def test_words_whose_card_was_deleted_still_come(tmp_path: Path) -> None:
    async with stage(tmp_path, sandbox_options=SLOW) as on:
        await on.studio.misbehave(on="create", fault="fail", message="no luck", times=1)
        reply = await on.ada.command("imagine", {"prompt": "a fox"}, channel=on.general)
        job = await on.job_of(reply)
        assert reply.message is not None
        reply.message.delete()
        ended = await on.studio.ended(job)
        assert (ended.state, ended.outcome) == (State.DONE, Outcome.FAILED)
        (words,) = on.server.messages(on.general)
        assert "The model failed" in words.text


@pytest.mark.parametrize("how", ["archived", "locked", "deleted"])
async def test_a_thread_that_closes_meanwhile(tmp_path: Path, how: str) -> None:
    async with stage(tmp_path, sandbox_options=SLOW) as on:
        thread: Channel = on.general.thread("talk", on.ada)
        job = await on.job_of(await on.ada.command("imagine", {"prompt": "a fox"}, channel=thread))
        if how == "deleted":
            thread.delete()
        else:
            thread.update(**{"archived": True, **({"locked": True} if how == "locked" else {})})
        ended = await on.studio.ended(job)
        assert ended.state is State.DONE
        place = thread if how == "archived" else on.ada.dm()
        assert [message.files != [] for message in on.server.messages(place)][-1]


# -- what is pinged


async def test_prompts_ping_nobody_but_who_asked_is_told(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        bob = on.server.person("Bob", on.guild)
        on.guild.everyone.set(P(on.guild.everyone.permissions) | P.MENTION_EVERYONE)
        prompt = f"@everyone @here <@{bob.id}> ```x``` **bold** <@&{on.guild.everyone.id}>"
        job = await on.run("imagine", {"prompt": prompt})
        assert on.message(job).pings.users == {on.ada.id}
        assert not on.message(job).pings.everyone
        assert not on.message(job, "card").pings
