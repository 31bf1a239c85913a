// The page: channels, a thread beside them, and what keeps both up to date.

import * as api from "./api.js";
import { agreed, sure } from "./ask.js";
import { $, button, h, icon, narrow, newKey, replace } from "./dom.js";
import { Composer } from "./composer.js";
import { openForm } from "./form.js";
import { Live } from "./live.js";
import { command, element } from "./messages.js";
import { Timeline } from "./timeline.js";

const ended = new Set(["ready", "failed", "cancelled", "unknown"]);
const page = {
  app: $("#app"),
  channels: $("#channels"),
  messages: $("#messages"),
  thread: $("#thread"),
  replies: $("#replies"),
  sidebar: $("#sidebar"),
  backdrop: $("#backdrop"),
  connection: $("#connection"),
};

const state = await api.state();
const commands = new Map(state.commands.map((model) => [model.command, model]));
const unread = new Set();
const states = new Map(); // job -> the last state that was heard of
let here = { channel: null, thread: null };

// -- what messages may do

const shared = {
  me: state.me,
  words: state.words,
  commands,
  offset: state.now - Date.now() / 1000,
  openThread: (id) => go(here.channel, id),
  say: toast,
};
const inChannel = context(() => ({ channel: here.channel, thread: null }), () => composer, false);
const inThread = context(() => ({ channel: here.channel, thread: here.thread }), () => replier, true);

function context(where, box, isThread) {
  return {
    ...shared,
    inThread: isThread,
    async report(job) {
      const reason = h("input", { type: "text", maxlength: 500, "aria-label": state.words.report_reason, placeholder: state.words.report_reason });
      if (!(await sure(state.words.report_sure, state.words.report, state.words.cancel, reason))) return;
      try {
        await api.report(job, reason.value);
        toast(state.words.report_done);
      } catch (error) {
        failed(error);
      }
    },
    edit(text, files) {
      box().clear();
      box().set(text);
      box().keep(files);
      box().focus();
    },
    async again(job, newSeed) {
      const key = newKey();
      const { message } = await agreed(() => api.again(job, where(), newSeed, key));
      heard(message);
      if (message.thread === null && !narrow.matches) go(message.channel, message.id, { focus: false });
    },
  };
}

const timeline = new Timeline(page.messages, inChannel, welcome);
let replies = null;

const composer = new Composer(
  {
    commands,
    where: () => ({ channel: here.channel, thread: null }),
    form: (box) => openForm(box, commands),
    drafted: (text) => here.channel && keepDraft(here.channel, text),
    sent(message) {
      heard(message);
      if (message.kind === "card" && !narrow.matches) go(message.channel, message.id, { focus: false });
    },
  },
  { label: "Message", placeholder: "Write a message, or / for a command" },
);
const replier = new Composer(
  {
    commands,
    where: () => ({ channel: here.channel, thread: here.thread }),
    form: (box) => openForm(box, commands),
    drafted: (text) => here.thread && keepDraft(`${here.channel}/${here.thread}`, text),
    sent: heard,
  },
  { label: "Reply in the thread", placeholder: "Reply, or / for a command" },
);
composer.input.id = "main-input";
replace($("#compose"), composer.element);
replace($("#reply"), replier.element);

// -- where one is: #studio, #studio/17

function go(channel, thread = null, { focus = true } = {}) {
  const hash = `#${encodeURIComponent(channel)}${thread === null ? "" : `/${thread}`}`;
  focusWanted = focus;
  if (location.hash === hash) moved();
  else location.hash = hash;
}

let focusWanted = true;

async function moved() {
  const [channel, thread] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const known = state.channels.find((one) => one.id === channel) ?? state.channels[0];
  const root = /^\d+$/.test(thread ?? "") ? Number(thread) : null;
  const before = here;
  here = { channel: known.id, thread: root };
  const focus = focusWanted;
  focusWanted = true;
  if (before.channel !== here.channel) await enter(known);
  if (before.thread !== root || before.channel !== here.channel) await showThread(root, focus);
  else if (root !== null && focus) focusOn(replier);
}

async function enter(channel) {
  unread.delete(channel.id);
  drawChannels();
  closeDrawer();
  document.title = `${channel.title} · Threadreel`;
  replace($("#channel-title"), icon("hash"), channel.title);
  composer.input.setAttribute("aria-label", `Message to ${channel.title}`);
  composer.set(draft(channel.id));
  await timeline.load(channel.id).catch(failed);
  if (here.thread === null) focusOn(composer);
}

/** A phone's keyboard is not thrown at people. */
function focusOn(box) {
  if (!narrow.matches) box.focus();
}

async function showThread(root, focus) {
  const wasOpen = !page.thread.hidden;
  replies?.close();
  replies = null;
  page.thread.hidden = root === null;
  page.app.classList.toggle("with-thread", root !== null);
  $("#channel").inert = narrow.matches && root !== null;
  if (root === null) {
    if (wasOpen) focusOn(composer);
    return;
  }
  replies = new Timeline(page.replies, inThread, () => h("p", { class: "no-replies" }, "What is made, and every reply, appears here."));
  const head = h("div", { class: "thread-root" });
  page.replies.prepend(head);
  replies.head = head;
  replier.set(draft(`${here.channel}/${root}`));
  try {
    const [{ message }] = await Promise.all([api.message(root), replies.load(here.channel, root)]);
    showRoot(message);
  } catch (error) {
    if (error.status === 404) return go(here.channel);
    failed(error);
  }
  if (focus) focusOn(replier);
}

function showRoot(message) {
  if (!replies || message.id !== here.thread) return;
  if (replies.root) return replies.root.update(message);
  replies.root = element(message, inThread);
  replace(replies.head, replies.root);
}

// -- what is heard

function heard(message) {
  if (message.channel !== here.channel) return;
  if (message.thread === null) {
    timeline.upsert(message);
    if (message.id === here.thread) showRoot(message);
    return;
  }
  if (message.thread === here.thread) replies?.upsert(message);
}

const live = new Live(state.last, {
  message(message) {
    heard(message);
    if (message.thread !== null) recountSoon(message.thread);
    if (message.channel !== here.channel && message.author.id !== state.me.id) markUnread(message.channel);
    announce(message);
  },
  edit(message) {
    heard(message);
    announce(message);
  },
  channel(channel) {
    if (!state.channels.some((one) => one.id === channel.id)) state.channels.push(channel);
    drawChannels();
  },
  reset: () => reload().catch(() => setTimeout(() => location.reload(), 2000)),
  status: connected,
});

/** Events were missed for good: load everything anew, and go on from there. */
async function reload() {
  const fresh = await api.state();
  Object.assign(state, { channels: fresh.channels });
  drawChannels();
  await timeline.load(here.channel);
  const { thread } = here;
  await showThread(null, false);
  await showThread(thread, false);
  live.from(fresh.last);
}

/** How many replies a thread has is for the server to say. */
const recounting = new Map();

function recountSoon(root) {
  if (!timeline.has(root) || recounting.has(root)) return;
  const count = async () => {
    recounting.delete(root);
    const answer = await api.message(root).catch(() => null);
    if (answer) heard(answer.message);
  };
  recounting.set(root, setTimeout(count, 150));
}

function markUnread(channel) {
  unread.add(channel);
  drawChannels();
}

/** What somebody who can't see the page should hear: what others say, and how one's own jobs fare. */
function announce(message) {
  const { body, author, kind } = message;
  if (kind === "text" && author.id !== state.me.id && message.channel === here.channel) speak(`${author.name}: ${body.text}`);
  if (kind !== "card") return;
  const before = states.get(body.job);
  states.set(body.job, body.state);
  if (body.asked_by !== state.me.id || before === body.state) return;
  if (body.state === "working" || ended.has(body.state)) speak(`/${body.model}: ${body.sentence}`);
  if (ended.has(body.state) && document.hidden) document.title = `● ${body.word} · Threadreel`;
}

function speak(text) {
  $("#announcer").append(h("p", {}, text.slice(0, 300)));
  while ($("#announcer").childElementCount > 5) $("#announcer").firstChild.remove();
}

document.addEventListener("visibilitychange", () => {
  const channel = state.channels.find((one) => one.id === here.channel);
  if (!document.hidden && channel) document.title = `${channel.title} · Threadreel`;
});

let lost = null;

function connected(open) {
  clearTimeout(lost);
  if (open) page.connection.hidden = true;
  else lost = setTimeout(() => (page.connection.hidden = false), 1500);
}

// -- short messages

function toast(text, alarm = false) {
  const element = h("div", { class: `toast${alarm ? " alarm" : ""}` }, alarm && icon("warning"), h("span", {}, text));
  $("#toasts").append(element);
  setTimeout(() => element.remove(), alarm ? 8000 : 3500);
}

const failed = (error) => toast(error.message, true);

// -- the channels

function drawChannels() {
  replace(
    page.channels,
    ...state.channels.map((channel) =>
      h(
        "li",
        {},
        h(
          "a",
          { href: `#${encodeURIComponent(channel.id)}`, "aria-current": channel.id === here.channel ? "page" : null, class: unread.has(channel.id) ? "unread" : null },
          icon("hash"),
          h("span", {}, channel.title),
          unread.has(channel.id) && h("span", { class: "unseen" }, "(unread)"),
        ),
      ),
    ),
  );
}

$("#new-channel").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = $("#new-channel-title");
  if (!input.value.trim()) return;
  try {
    const { channel } = await api.post("/api/channels", { title: input.value });
    if (!state.channels.some((one) => one.id === channel.id)) state.channels.push(channel);
    input.value = "";
    go(channel.id);
  } catch (error) {
    failed(error);
  }
});

function welcome() {
  const examples = state.commands.slice(0, 4).map((model) =>
    h(
      "button",
      { type: "button", class: "example", onclick: () => (composer.set(model.example), composer.focus()) },
      icon({ image: "image", video: "video", audio: "sound" }[model.kind]),
      command(model.example, commands),
      h("span", { class: "faint" }, model.title),
    ),
  );
  return h(
    "div",
    { class: "welcome" },
    h("img", { src: "/static/icon.svg", alt: "", width: 48, height: 48 }),
    h("h2", {}, "Nothing here yet"),
    h("p", {}, "Type / to see what can be made, or begin with one of these:"),
    h("div", { class: "examples" }, examples),
  );
}

// -- drafts outlive a reload

const keepDraft = (place, text) => (text ? sessionStorage.setItem(`draft:${place}`, text) : sessionStorage.removeItem(`draft:${place}`));
const draft = (place) => sessionStorage.getItem(`draft:${place}`) ?? "";

// -- files dropped anywhere go to the box of that side

let over = 0;
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragenter", (event) => {
  if (!hasFiles(event)) return;
  over += 1;
  document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => {
  if (hasFiles(event) && (over -= 1) <= 0) stopDragging();
});
addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  stopDragging();
  (event.target.closest?.("#thread") ? replier : composer).add(event.dataTransfer.files);
});

function stopDragging() {
  over = 0;
  document.body.classList.remove("dragging");
}

// -- the frame

function openDrawer() {
  page.sidebar.classList.add("open");
  page.backdrop.hidden = false;
  $("#channel").inert = true;
  page.sidebar.querySelector("[aria-current]")?.focus();
}

function closeDrawer() {
  if (!page.sidebar.classList.contains("open")) return;
  page.sidebar.classList.remove("open");
  page.backdrop.hidden = true;
  $("#channel").inert = false;
}

const isDark = () => {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

function drawMe() {
  const theme = button(isDark() ? "sun" : "moon", isDark() ? "Light theme" : "Dark theme", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
    drawMe();
    $("#me button").focus();
  });
  const out = button("out", "Sign out", async () => {
    await api.post("/logout", {}).catch(() => {});
    api.leave();
  });
  const admin = state.me.admin && h("a", { href: "/admin", class: "icon-button", "aria-label": state.words.title, title: state.words.title }, icon("sliders"));
  const about = button("person", state.words.about_me, aboutMe);
  replace($("#me"), h("span", { class: "me-name", title: state.me.name }, state.me.name), admin, about, theme, out);
}

/** What is kept of oneself: to be taken home, or forgotten. */
function aboutMe() {
  const { words } = state;
  const dialog = h("dialog", { class: "ask", "aria-labelledby": "about-me" });
  const forget = async () => {
    dialog.close();
    if (!(await sure(words.forget_sure, words.forget_me, words.cancel))) return;
    try {
      await api.forgetMe();
      sessionStorage.clear();
      api.leave();
    } catch (error) {
      failed(error);
    }
  };
  replace(
    dialog,
    h("h2", { id: "about-me" }, state.me.name),
    h("p", {}, words.about_me_lead),
    h(
      "footer",
      {},
      h("a", { class: "ghost", href: "/api/me/data", download: "threadreel-my-data.json" }, icon("download"), words.my_data),
      button("close", words.forget_me, forget, { text: true }),
      h("button", { type: "button", class: "plain", onclick: () => dialog.close() }, words.close),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

$("#channel-bar").prepend(button("menu", "Channels", openDrawer, { class: "icon-button only-narrow" }));
replace(
  $("#thread-bar"),
  button("back", "Back to the channel", () => go(here.channel), { class: "icon-button only-narrow" }),
  h("h2", {}, "Thread"),
  button("close", "Close the thread", () => go(here.channel), { class: "icon-button only-wide" }),
);
page.backdrop.addEventListener("click", closeDrawer);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (page.sidebar.classList.contains("open")) closeDrawer();
  else if (here.thread !== null && !event.target.value) go(here.channel); // not while something is being written
});
narrow.addEventListener("change", () => {
  closeDrawer();
  $("#channel").inert = narrow.matches && here.thread !== null;
});
addEventListener("hashchange", moved);

drawMe();
drawChannels();
await moved();
document.body.classList.add("loaded");
