// /admin: the frame, its sections, and what they share.

import * as api from "./api.js";
import * as ask from "./ask.js";
import { $, button, h, icon, replace } from "./dom.js";
import { audit } from "./admin_audit.js";
import { files } from "./admin_files.js";
import { jobs } from "./admin_jobs.js";
import { keys, money } from "./admin_money.js";
import { people } from "./admin_people.js";
import { settings } from "./admin_settings.js";

const SECTIONS = { settings, people, jobs, audit, keys, money, files };
const ICONS = { settings: "sliders", people: "person", jobs: "image", audit: "clock", keys: "key", money: "coin", files: "file" };

const state = await api.get("/api/admin/state").catch((error) => error);
let latest = 0;

/** Those who may not look after the page are told so. */
function turnedAway(error) {
  document.body.className = "login";
  replace(
    document.body,
    h("main", { class: "login-card" }, h("img", { src: "/static/icon.svg", alt: "", width: 56, height: 56 }), h("h1", {}, "Threadreel"), h("p", {}, error.message), h("a", { class: "ghost", href: "/" }, icon("back"), "Threadreel")),
  );
  document.body.classList.add("loaded");
}

/** The words of a code, with its facts: "{name} is blocked." */
function t(code, facts = {}) {
  const said = state.words[code] ?? code;
  return said.replace(/\{(\w+)(?::\w+)?\}/g, (whole, name) => facts[name] ?? whole);
}

function toast(text, alarm = false) {
  const element = h("div", { class: `toast${alarm ? " alarm" : ""}` }, alarm && icon("warning"), h("span", {}, text));
  $("#toasts").append(element);
  setTimeout(() => element.remove(), alarm ? 8000 : 3500);
}

/** Asks before something that can't be taken back. */
function sure(question, doing) {
  return ask.sure(question, doing, t("cancel"));
}

async function start() {
  document.documentElement.lang = state.language;
  document.title = `${t("title")} · Threadreel`;
  drawBar();
  $("#nav").setAttribute("aria-label", t("sections"));
  addEventListener("hashchange", () => show(true));
  await show(false);
  document.body.classList.add("loaded");
}

function drawBar() {
  const isDark = () => {
    const { theme } = document.documentElement.dataset;
    return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const dark = isDark();
  const theme = button(dark ? "sun" : "moon", t(dark ? "light" : "dark"), () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
    drawBar();
    $("#bar button").focus();
  });
  replace(
    $("#bar"),
    h("a", { href: "/", class: "icon-button", "aria-label": t("back"), title: t("back") }, icon("back")),
    h("img", { src: "/static/icon.svg", alt: "", width: 26, height: 26 }),
    h("h1", {}, t("title")),
    h("span", { class: "faint" }, state.me.name),
    theme,
  );
}

/** The section that the address names: /admin#people. */
async function show(focus) {
  const given = location.hash.slice(1).split("/")[0];
  const name = given in SECTIONS ? given : "settings";
  drawNav(name);
  const mine = (latest += 1);
  const body = h("div", { class: "section-body", "aria-busy": "true" });
  const page = h("section", { class: `admin-section section-${name}`, "aria-labelledby": "section-title" }, h("h2", { id: "section-title" }, t(name)), h("p", { class: "lead" }, t(`${name}_lead`)), body);
  replace($("#main"), name === "settings" && news(), page);
  $("#main").scrollTo(0, 0);
  const context = { state, t, toast, sure, failed, when, body, reload: () => show(false), current: () => mine === latest };
  try {
    await SECTIONS[name](body, context);
  } catch (error) {
    if (mine === latest) replace(body, h("p", { class: "wrong" }, error.message));
  }
  body.setAttribute("aria-busy", "false");
  if (focus) $("#main").focus();
}

function failed(error) {
  toast(error.message, true);
}

function drawNav(current) {
  replace(
    $("#nav"),
    h(
      "ul",
      {},
      Object.keys(SECTIONS).map((name) => h("li", {}, h("a", { href: `#${name}`, "aria-current": name === current ? "page" : null }, icon(ICONS[name]), h("span", {}, t(name))))),
    ),
  );
  $("#nav [aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** A moment in the reader's own words and time zone. */
function when(seconds) {
  const date = new Date(seconds * 1000);
  const said = new Intl.DateTimeFormat(state.language, { dateStyle: "medium", timeStyle: "short" }).format(date);
  return h("time", { datetime: date.toISOString() }, said);
}

// -- what there is to hear of: what this browser has not put away yet

function news() {
  const seen = Number(localStorage.getItem("admin-news") ?? 0);
  const fresh = state.news.filter((one) => one.id > seen);
  if (!fresh.length) return null;
  const box = h(
    "aside",
    { class: "news", "aria-label": t("news") },
    h("h2", {}, t("news")),
    h("ul", {}, fresh.map((one) => h("li", {}, h("span", {}, one.text), h("span", { class: "faint" }, when(one.at))))),
    button("check", t("news_seen"), () => {
      localStorage.setItem("admin-news", Math.max(...fresh.map((one) => one.id)));
      box.remove();
      $("#main").focus();
    }, { text: true }),
  );
  return box;
}

if (state instanceof Error) turnedAway(state);
else await start();
