"""The page as people use it: type, complete, run, watch, cancel, come back."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import PATIENCE, Demo, OpenPage
from tests.browser.wire import Wire

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

QUICK = "/animate start:a fox in snow end:a fox in flowers width:128 height:128 frames:2 between:1"
SLOW = "/video a paper boat on a river size:1280*720 frames:161"

LOADED = "image => image.complete && image.naturalWidth > 0"


def box(page: Page) -> Locator:
    return page.get_by_role("combobox", name=re.compile("^Message"))


def reply_box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Reply in the thread")


def send(field: Locator, text: str) -> None:
    field.fill(text)
    field.press("Escape")
    field.press("Enter")


def run(page: Page, text: str) -> Locator:
    """Send a command; its card."""
    cards = page.locator("#messages .message-card")
    before = cards.count()
    send(box(page), text)
    expect(cards).to_have_count(before + 1)
    return cards.last


def result_in_thread(page: Page) -> Locator:
    result = page.locator("#replies .message-result").last
    expect(result).to_be_visible(timeout=PATIENCE)
    return result


# -- the main thing


def test_type_complete_run_and_watch_it_play(open_page: OpenPage) -> None:
    page = open_page()
    field = box(page)
    options = page.locator("#compose [role=option]")

    field.press_sequentially("/ani")
    expect(options.first).to_contain_text("/animate")
    field.press("Tab")
    expect(field).to_have_value("/animate ")
    expect(options.nth(0)).to_contain_text("start")
    expect(options.nth(1)).to_contain_text("end")
    field.press("Tab")
    field.press_sequentially("a fox in snow en")
    field.press("ArrowDown")
    field.press("Enter")
    expect(field).to_have_value("/animate start:a fox in snow end:")
    field.press_sequentially("a fox in flowers format:")
    expect(options).to_have_text([re.compile("^gif"), re.compile("^mp4")])
    field.press("ArrowDown")
    field.press("ArrowDown")
    field.press("Enter")
    field.press_sequentially("frames:2 between:1 width:128 height:128")
    field.press("Enter")

    expect(field).to_have_value("")
    expect(page.locator("#messages .message-card .command")).to_contain_text("start:a fox in snow")
    video = result_in_thread(page).locator("video")
    page.wait_for_function("() => document.querySelector('#replies video')?.currentTime > 0.02")
    assert video.evaluate("video => video.videoWidth") == 128
    expect(page.locator("#messages .message-card .status")).to_contain_text("Ready")


def test_a_gif_is_shown_with_its_prompt_enlarged_and_saved(open_page: OpenPage) -> None:
    page = open_page()
    run(page, QUICK)
    result = result_in_thread(page)
    image = result.locator("img[alt*='a fox in snow']")
    page.wait_for_function(f"() => ({LOADED})(document.querySelector('#replies .frame img'))")
    image.click()
    viewer = page.get_by_role("dialog", name="Picture")
    expect(viewer).to_be_visible()
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    with page.expect_download() as saving:
        result.get_by_role("link", name="Save").click()
    assert Path(saving.value.path()).read_bytes()[:4] == b"GIF8"


def test_music_is_heard_under_its_spectrogram(open_page: OpenPage) -> None:
    page = open_page()
    run(page, "/music funky synth solo")
    result = result_in_thread(page)
    result.locator("audio").evaluate("audio => { audio.muted = true; audio.play() }")
    page.wait_for_function("() => document.querySelector('#replies audio').currentTime > 0.05")
    page.wait_for_function(f"() => ({LOADED})(document.querySelector('#replies .spectrogram img'))")


def test_a_job_that_waits_or_works_can_be_cancelled(open_page: OpenPage) -> None:
    page = open_page()
    card = run(page, SLOW)
    expect(card.get_by_role("progressbar").or_(card.locator(".pulse")).first).to_be_visible()
    card.get_by_role("button", name="Cancel").click()
    expect(card.locator(".status")).to_contain_text("Cancelled by Ann", timeout=PATIENCE)
    expect(card.get_by_role("button", name="Again")).to_be_visible()


def test_a_reload_in_mid_job_shows_how_it_stands(open_page: OpenPage) -> None:
    page = open_page()
    card = run(page, SLOW)
    expect(card.locator(".status")).to_contain_text("Working", timeout=PATIENCE)
    page.reload()
    page.wait_for_selector("body.loaded")
    card = page.locator("#messages .message-card")
    expect(card.locator(".status")).to_contain_text("Working")
    expect(page.locator("#thread .command")).to_contain_text("a paper boat")
    card.get_by_role("button", name="Cancel").click()
    expect(card.locator(".status")).to_contain_text("Cancelled", timeout=PATIENCE)


def test_again_and_a_new_seed_run_in_the_thread_and_copying_gives_the_command(open_page: OpenPage) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    run(page, QUICK + " seed:7")
    result = result_in_thread(page)
    result.get_by_role("button", name="Copy command").click()
    expect(page.locator("#toasts")).to_contain_text("copied")
    assert "seed:7" in page.evaluate("navigator.clipboard.readText()")
    result.get_by_role("button", name="New seed").click()
    card = page.locator("#replies .message-card:not(.thread-root *)")
    expect(card).to_have_count(1)
    expect(card.locator(".command")).not_to_have_text(re.compile(r"seed:7$"))
    expect(page.locator("#replies .message-result")).to_have_count(2, timeout=PATIENCE)


# -- together


def test_two_people_in_one_thread_see_each_others_words_and_results(open_page: OpenPage) -> None:
    ann, bob = open_page("Ann"), open_page("Bob")
    send(box(ann), "shall we?")
    bob.locator("#messages .message-text").hover()
    bob.get_by_role("button", name="Reply in thread").click()
    send(reply_box(bob), QUICK)
    expect(ann.locator("#messages .reply-link")).to_contain_text("repl", timeout=PATIENCE)
    ann.locator("#messages .reply-link").click()
    for page in (ann, bob):
        result_in_thread(page)
        page.wait_for_function(f"() => ({LOADED})(document.querySelector('#replies .frame img'))")
    expect(ann.locator("#replies .message-card .author")).to_have_text("Bob")
    expect(ann.locator("#replies .message-card").get_by_role("button", name="Cancel")).to_have_count(0)
    send(reply_box(ann), "lovely")
    expect(bob.locator("#replies .message-text").last).to_contain_text("lovely")
    expect(bob.locator("#announcer")).to_contain_text("Ann: lovely")


def test_nothing_is_missed_while_the_connection_is_gone(open_page: OpenPage, wire: Wire) -> None:
    ann, bob = open_page("Ann", address=wire.address), open_page("Bob")
    send(box(bob), "before")
    expect(ann.locator("#messages")).to_contain_text("before")
    wire.cut()
    for text in ("one", "two", "three"):
        send(box(bob), text)
        expect(bob.locator("#messages")).to_contain_text(text)
    expect(ann.locator("#connection")).to_be_visible()
    expect(ann.locator("#messages")).not_to_contain_text("three")
    wire.mend()
    expect(ann.locator("#messages .text")).to_have_text(["before", "one", "two", "three"], timeout=PATIENCE)
    expect(ann.locator("#connection")).to_be_hidden()


def test_a_message_sent_over_a_bad_connection_arrives_once(open_page: OpenPage, wire: Wire) -> None:
    page = open_page("Ann", address=wire.address)
    box(page).fill("hello")
    wire.cut()
    box(page).press("Enter")
    expect(page.locator(".composer.busy").first).to_be_visible()
    wire.mend()
    expect(page.locator("#messages .text")).to_have_text(["hello"], timeout=PATIENCE)
    expect(box(page)).to_have_value("")


def test_channels_are_made_and_heard_of(open_page: OpenPage, channel: str) -> None:
    ann, bob = open_page("Ann"), open_page("Bob")
    name = f"{channel} more"
    ann.get_by_role("textbox", name="Name of a new channel").fill(name)
    ann.keyboard.press("Enter")
    expect(ann.locator("#channel-title")).to_have_text(name)
    send(box(ann), "first")
    link = bob.get_by_role("link", name=re.compile(name))
    expect(link).to_have_class("unread")
    link.click()
    expect(bob.locator("#messages")).to_contain_text("first")


# -- mistakes, forms, files


def test_mistakes_are_named_and_the_text_stays(open_page: OpenPage) -> None:
    page = open_page()
    wrong = "/animate start:a fox fps:80 format:mp3"
    send(box(page), wrong)
    mistakes = page.get_by_role("alert").filter(has_text="fps")
    expect(mistakes).to_contain_text("end is missing")
    expect(mistakes).to_contain_text("format")
    expect(box(page)).to_have_value(wrong)
    expect(page.locator(".message")).to_have_count(0)


def test_a_form_takes_over_what_was_typed_and_shows_mistakes_at_their_fields(open_page: OpenPage) -> None:
    page = open_page()
    box(page).fill("/animate a fox in snow fps:80")
    page.locator("#compose").get_by_role("button", name="Fill in a form").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_label("start")).to_have_value("a fox in snow")
    expect(form.get_by_label("fps")).to_have_value("80")
    form.get_by_role("button", name="Run").click()
    expect(form.locator("#field-end-wrong")).to_contain_text("missing")
    expect(form.locator("#field-fps-wrong")).to_contain_text("1 to 50")
    expect(form.get_by_label("end")).to_be_focused()
    form.get_by_label("end").fill("a whale: deep")
    form.get_by_label("fps").fill("12")
    form.get_by_label("width").select_option("128")
    form.get_by_label("height").select_option("128")
    form.get_by_label("frames").fill("2")
    form.get_by_role("button", name="Run").click()
    expect(form).to_have_count(0)
    expect(page.locator("#messages .command")).to_contain_text('end:"a whale: deep"')
    result_in_thread(page)


def test_a_form_without_a_command_asks_which(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#compose").get_by_role("button", name="Fill in a form").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Cut out the subject")).click()
    expect(page.get_by_role("dialog").get_by_text("Choose a file")).to_be_visible()


def _picture(width: int = 160) -> bytes:
    buffer = io.BytesIO()
    image = Image.radial_gradient("L").resize((width, 120)).convert("RGB")
    image.save(buffer, "PNG")
    return buffer.getvalue()


DROP = """(bytes) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(bytes)], "circle.png", {type: "image/png"}));
  const target = document.querySelector("#messages");
  for (const kind of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: files}));
  }
}"""


def test_a_dropped_picture_goes_into_the_command(open_page: OpenPage) -> None:
    page = open_page()
    page.evaluate(DROP, list(_picture()))
    expect(page.locator("#compose .chip:not(.sending)")).to_contain_text("circle.png")
    card = run(page, "/cutout")
    expect(card.locator(".attachment")).to_contain_text("circle.png")
    result_in_thread(page)
    page.wait_for_function(f"() => ({LOADED})(document.querySelector('#replies .frame img'))")
    expect(page.locator("#compose .chip")).to_have_count(0)


def test_a_picked_picture_in_a_form_reaches_the_job(open_page: OpenPage) -> None:
    page = open_page()
    box(page).fill("/cutout")
    page.locator("#compose").get_by_role("button", name="Fill in a form").click()
    form = page.get_by_role("dialog")
    form.locator("input[type=file]").set_input_files(
        {"name": "circle.png", "mimeType": "image/png", "buffer": _picture()}
    )
    expect(form.locator(".chip:not(.sending)")).to_contain_text("circle.png")
    form.get_by_role("button", name="Run").click()
    result_in_thread(page)


def test_markup_in_a_prompt_is_only_ever_text(open_page: OpenPage) -> None:
    page = open_page()
    send(box(page), '<img src=x onerror="document.title=1"><script>document.title=2</script>')
    expect(page.locator("#messages .text")).to_contain_text("<script>")
    assert page.locator("#messages .text img, #messages script").count() == 0
    card = run(page, '/draw <b>bold</b> <svg onload="document.title=3"> width:128 height:128')
    expect(card.locator(".command")).to_contain_text("<b>bold</b>")
    assert card.locator("b, .command svg").count() == 0
    assert page.title() not in ("1", "2", "3")


# -- phones, themes, sessions


PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


def _too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def test_on_a_phone_everything_fits_and_the_thread_is_a_view_of_its_own(
    open_page: OpenPage, channel: str
) -> None:
    page = open_page(**PHONE)
    card = run(page, QUICK)
    expect(card.locator(".status")).to_contain_text("Ready", timeout=PATIENCE)
    assert not _too_wide(page)
    page.get_by_role("button", name="Channels").tap()
    link = page.get_by_role("navigation").locator("[aria-current=page]")
    expect(link).to_be_in_viewport()
    expect(link).to_have_text(channel)
    page.keyboard.press("Escape")
    expect(link).not_to_be_in_viewport()
    card.locator(".reply-link").tap()
    result_in_thread(page)
    assert page.locator("#thread").bounding_box() == {"x": 0, "y": 0, "width": 360, "height": 740}
    expect(page.locator("#channel")).to_have_attribute("inert", "")
    assert not _too_wide(page)
    page.get_by_role("button", name="Back to the channel").tap()
    page.locator("#compose").get_by_role("button", name="Fill in a form").tap()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Animation between")).tap()
    assert not _too_wide(page)


def test_the_theme_follows_the_system_until_one_is_chosen(open_page: OpenPage) -> None:
    page = open_page(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light theme").click()
    light = page.evaluate(ground)
    assert dark != light
    page.reload()
    page.wait_for_selector("body.loaded")
    assert page.evaluate(ground) == light


def test_an_animation_stands_still_for_who_asked_for_less_motion(open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    run(page, QUICK)
    result = result_in_thread(page)
    expect(result.locator("canvas.still")).to_be_visible()
    result.get_by_role("button", name="Play").click()
    expect(result.locator("canvas.still")).to_have_count(0)


def test_without_a_session_there_is_only_the_login_page(demo: Demo, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(demo.address)
    expect(page).to_have_url(f"{demo.address}/login")
    expect(page.get_by_text("threadreel web login")).to_be_visible()
    page.goto(f"{demo.address}/login?code=wrong")
    expect(page.get_by_text("used before, or is too old")).to_be_visible()
    context.close()


def test_a_used_link_still_leads_in_who_is_in_already_and_signing_out_leads_out(
    demo: Demo, browser: Browser
) -> None:
    context = browser.new_context()
    page = context.new_page()
    link = demo.link("Cleo")
    for _ in range(2):
        page.goto(link)
        page.wait_for_selector("body.loaded")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{demo.address}/login")
    context.close()


def test_the_page_asks_nobody_else_for_anything(open_page: OpenPage, demo: Demo) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_selector("body.loaded")
    assert asked
    assert [url for url in asked if not url.startswith((demo.address, "blob:", "data:"))] == []
