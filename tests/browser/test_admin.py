"""/admin as people use it: set, import, block, settle; and what it looks like for those who may not."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PATIENCE, Demo, OpenPage
from tests.browser.test_page import QUICK, box, result_in_thread, run, send

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def admin(demo: Demo, open_page: OpenPage) -> Page:
    """/admin, for somebody who came by a link for those who look after the page."""
    page = open_page("Owner", manages=True)
    page.get_by_role("link", name="Administration").click()
    page.wait_for_selector("body.admin.loaded")
    return page


def setting(page: Page, key: str) -> Locator:
    return page.locator(f'[data-key="{key}"]')


def section(page: Page, name: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=2, name=name)).to_be_visible()
    expect(page.locator(".section-body")).to_have_attribute("aria-busy", "false")


def test_what_is_set_holds_for_the_next_order_and_can_be_taken_back(admin: Page, open_page: OpenPage) -> None:
    ann = open_page("Ann")
    models = setting(admin, "models")
    models.get_by_text("/imagine", exact=True).click()
    models.get_by_role("button", name="Save").click()
    expect(models).to_contain_text("Set here")

    send(box(ann), QUICK)
    expect(ann.get_by_text("Nothing was started.")).to_be_visible()
    expect(ann.locator("#messages .message-card")).to_have_count(0)

    setting(admin, "models").get_by_role("button", name="Reset").click()
    expect(setting(admin, "models")).not_to_contain_text("Set here")
    send(box(ann), QUICK)
    expect(ann.locator("#messages .message-card")).to_have_count(1)


def test_a_mistake_is_told_at_its_setting_and_keys_are_enough(admin: Page) -> None:
    field = setting(admin, "limit.person.per_day").get_by_role("spinbutton")
    field.fill("-5")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(setting(admin, "limit.person.per_day").get_by_role("alert")).not_to_be_empty()
    field.fill("40")
    field.press("Enter")
    expect(setting(admin, "limit.person.per_day")).to_contain_text("Set here")
    expect(setting(admin, "limit.person.per_day").get_by_role("spinbutton")).to_be_focused()
    setting(admin, "limit.person.per_day").get_by_role("button", name="Reset").click()
    expect(setting(admin, "limit.person.per_day")).not_to_contain_text("Set here")


def test_a_file_is_compared_before_it_is_applied(admin: Page) -> None:
    section(admin, "Export and import")
    with admin.expect_download() as saving:
        admin.get_by_role("link", name="Save as TOML").click()
    assert saving.value.suggested_filename == "threadreel-settings.toml"
    admin.get_by_role("textbox", name="Import").fill('words = ["gore"]\nmodells = 1')
    admin.get_by_role("button", name="Compare").click()
    expect(admin.get_by_role("alert").first).to_contain_text("modells")
    admin.get_by_role("textbox", name="Import").fill('words = ["gore"]')
    admin.get_by_role("button", name="Compare").click()
    expect(admin.locator(".change")).to_contain_text("+ gore")
    admin.get_by_role("button", name="Apply 1 change").click()
    expect(admin.locator(".found")).to_contain_text("It is applied.")

    section(admin, "Settings")
    expect(setting(admin, "words").get_by_role("textbox")).to_have_value("gore")
    setting(admin, "words").get_by_role("button", name="Reset").click()
    expect(setting(admin, "words").get_by_role("textbox")).to_have_value("")
    section(admin, "Audit")
    expect(admin.locator(".audit li").first).to_contain_text("Owner changed server words")


def test_a_person_is_blocked_from_their_job_and_let_in_again(admin: Page, open_page: OpenPage) -> None:
    eve = open_page("Eve")
    run(eve, QUICK)
    result_in_thread(eve)
    section(admin, "Jobs")
    row = admin.locator("li.row", has_text="Eve").first
    row.get_by_role("link", name="Block…").click()
    expect(admin.get_by_label("Name", exact=True)).to_have_value("Eve")
    admin.get_by_label("Reason").fill("too many foxes")
    admin.get_by_label("It ends").select_option(label="in 7 days")
    admin.get_by_role("button", name="Save").click()
    expect(admin.locator("li.row", has_text="too many foxes")).to_contain_text("blocked")

    send(box(eve), QUICK)
    expect(eve.get_by_text("too many foxes")).to_be_visible()
    admin.get_by_role("button", name="Unblock").click()
    expect(admin.get_by_text("Nobody is blocked or trusted.")).to_be_visible()
    eve.get_by_role("button", name="Dismiss").click()
    run(eve, QUICK)


def test_a_deleted_result_goes_from_everybodys_page(admin: Page, open_page: OpenPage) -> None:
    finn = open_page("Finn")
    run(finn, QUICK)
    result_in_thread(finn)
    expect(finn.locator("#messages .message-card .status")).to_contain_text("Ready", timeout=PATIENCE)
    section(admin, "Jobs")
    row = admin.locator("li.row", has_text="Finn").first
    row.get_by_role("button", name="Delete").click()
    admin.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(admin.locator("#toasts")).to_contain_text("It is deleted.")
    expect(finn.locator("#messages")).to_contain_text("Deleted by Owner.")
    expect(finn.locator("#replies")).to_contain_text("Deleted by Owner.")
    expect(finn.locator("#replies img[alt*='a fox']")).to_have_count(0)
    expect(finn.locator("#messages")).not_to_contain_text("a fox in snow")


def test_an_open_charge_is_settled_and_budgets_have_bars(admin: Page, demo: Demo) -> None:
    charge(demo, "abcdefgh2345", 420_000)
    budget = setting(admin, "budget.server.month")
    budget.get_by_role("spinbutton").fill("25")
    budget.get_by_role("spinbutton").press("Enter")
    expect(budget).to_contain_text("Set here")
    section(admin, "Money")
    expect(admin.get_by_role("meter", name="This month")).to_be_visible()
    expect(admin.locator(".budget", has_text="This month")).to_contain_text("of $25.00")
    row = admin.locator('[data-job="abcdefgh2345"]')
    expect(row).to_contain_text("$0.42 reserved")
    row.get_by_label("What abcdefgh2345 has cost").fill("0.25")
    row.get_by_role("button", name="Settle").click()
    expect(admin.get_by_text("No charge is open.")).to_be_visible()
    section(admin, "Settings")
    setting(admin, "budget.server.month").get_by_role("button", name="Reset").click()


def charge(demo: Demo, job: str, amount: int) -> None:
    """What a job that ended unknown leaves behind."""
    row = {
        "job": job,
        "platform": "web",
        "server": "web",
        "channel": "studio",
        "person": "x",
        "model": "video",
        "provider": "sandbox",
        "payer": "installation",
        "day": time.strftime("%Y-%m-%d"),
        "month": time.strftime("%Y-%m"),
        "at": time.time(),
        "reserved": amount,
        "person_held": amount,
        "server_held": amount,
        "counted": 1,
        "status": "open",
    }
    with closing(sqlite3.connect(demo.folder / "threadreel-data" / "threadreel.db", timeout=10)) as database:
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        database.execute(f"INSERT INTO charges ({names}) VALUES ({marks})", row)
        database.commit()


def test_who_may_not_is_told_so_and_sees_no_link(open_page: OpenPage, demo: Demo) -> None:
    page = open_page("Ann")
    expect(page.get_by_role("link", name="Administration")).to_have_count(0)
    page.goto(f"{demo.address}/admin")
    page.wait_for_selector("body.loaded")
    expect(page.locator("main")).to_contain_text("look after")
    expect(page.get_by_role("navigation")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 760, 1280])
def test_nothing_is_wider_than_the_window(admin: Page, width: int) -> None:
    admin.set_viewport_size({"width": width, "height": 800})
    for name in ("Settings", "People", "Jobs", "Audit", "Keys", "Money", "Export and import"):
        section(admin, name)
        assert admin.evaluate("document.documentElement.scrollWidth") <= width, name
        assert admin.locator("#main").evaluate("main => main.scrollWidth <= main.clientWidth"), name


# -- the page's own part


def test_my_data_come_as_a_file_and_forgetting_signs_out(open_page: OpenPage) -> None:
    page = open_page("Gus")
    send(box(page), "my own words")
    expect(page.locator("#messages")).to_contain_text("my own words")
    page.get_by_role("button", name="Your data").click()
    with page.expect_download() as saving:
        page.get_by_role("link", name="My data").click()
    assert "my own words" in saving.value.path().read_text()
    page.get_by_role("button", name="Forget me").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget me").click()
    page.wait_for_url(re.compile("/login"))


def test_a_result_is_reported_to_those_who_look_after_the_page(admin: Page, open_page: OpenPage) -> None:
    page = open_page("Ann")
    run(page, QUICK)
    result_in_thread(page).get_by_role("button", name="Report").click()
    page.get_by_label("What is wrong with it (optional)").fill("not nice")
    page.get_by_role("dialog").get_by_role("button", name="Report").click()
    expect(page.locator("#toasts")).to_contain_text("will hear of it")
    admin.reload()
    admin.wait_for_selector("body.loaded")
    news = admin.get_by_role("complementary", name="News")
    expect(news).to_contain_text("not nice")
    news.get_by_role("button", name="Seen").click()
    admin.reload()
    admin.wait_for_selector("body.loaded")
    expect(admin.get_by_role("complementary", name="News")).to_have_count(0)
