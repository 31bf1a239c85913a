// One message as an element that can be brought up to date.

import * as api from "./api.js";
import { button, h, icon, lasting, replace, time } from "./dom.js";
import { attachments, downloads, gallery } from "./media.js";

const OVER = new Set(["ready", "failed", "cancelled", "unknown"]);

/**
 * `context`: {me, words, commands, offset, inThread, openThread(id), edit(text, files), where(), say(text, alarm)}.
 * Returns an element with `update(message)`.
 */
export function element(message, context) {
  const root = h("article", { class: `message message-${message.kind}`, "data-id": message.id, tabindex: "-1" });
  const make = { card, result, gone }[message.kind] ?? text;
  const part = make(message, context);
  const replies = h("div", { class: "replies" });
  root.append(avatar(message.author), h("div", { class: "message-body" }, heading(message), part.element, replies));
  root.setAttribute("aria-label", `${message.author.name}, ${new Date(message.created_at * 1000).toLocaleTimeString()}`);
  root.update = (newer) => {
    if (newer.kind === "gone" && message.kind !== "gone") {
      // Taken down: nothing of it stays in the page.
      const empty = element(newer, context);
      root.className = empty.className;
      root.replaceChildren(...empty.children);
      root.update = empty.update;
      return;
    }
    part.update?.(newer);
    if (!context.inThread) replace(replies, replyLink(newer, context));
  };
  root.update(message);
  return root;
}

function avatar(author) {
  if (author.bot) return h("span", { class: "avatar bot", "aria-hidden": "true" }, h("img", { src: "/static/icon.svg", alt: "" }));
  const hue = [...author.id].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 360, 7);
  const element = h("span", { class: "avatar", "aria-hidden": "true" }, (author.name.trim()[0] ?? "?").toUpperCase());
  element.style.setProperty("--hue", hue);
  return element;
}

const heading = (message) =>
  h("header", { class: "message-head" }, h("span", { class: "author" }, message.author.name), message.author.bot && h("span", { class: "tag" }, "bot"), time(message.created_at));

function replyLink(message, context) {
  if (message.thread !== null) return null;
  const count = message.reply_count ?? 0;
  const said = count === 0 ? "Reply in thread" : count === 1 ? "1 reply" : `${count} replies`;
  return h(
    "button",
    { type: "button", class: `reply-link${count ? " has-replies" : ""}`, onclick: () => context.openThread(message.id), "aria-label": `${said}: open the thread` },
    icon("reply"),
    said,
  );
}

// -- words

function text(message) {
  return {
    element: h("div", { class: "text" }, message.body.text && h("p", {}, linked(message.body.text)), attachments(message.body.files)),
  };
}

/** What was taken down, or said by somebody who is forgotten. */
const gone = (message) => ({ element: h("div", { class: "text gone-text" }, h("p", {}, message.body.text)) });

/** Text in which web addresses are links; it stays text. */
function linked(said) {
  return said.split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)])/).map((piece, index) =>
    index % 2 ? h("a", { href: piece, target: "_blank", rel: "noopener noreferrer" }, piece) : piece,
  );
}

/** A command with its name and keys set off. */
export function command(said, commands) {
  const [, name, rest] = /^(\S+)([\s\S]*)$/.exec(said) ?? [null, said, ""];
  const model = commands.get(name.slice(1));
  const keys = new Set(model?.inputs.flatMap((input) => [input.alias, input.name]));
  const pieces = rest.split(/(?<=\s)([A-Za-z][\w-]*:)/).map((piece, index) =>
    index % 2 && keys.has(piece.slice(0, -1)) ? h("span", { class: "key" }, piece) : piece,
  );
  return h("code", { class: "command" }, h("span", { class: "name" }, name), pieces);
}

// -- a job

function card(message, context) {
  const said = clamped(command(message.body.text, context.commands));
  const status = h("div", { class: "status" });
  let shown = null;
  let live = null;
  const update = ({ body, updated_at }) => {
    if (shown !== body.state) {
      live = (OVER.has(body.state) ? ended : underWay)(body, context);
      replace(status, live.element);
      status.dataset.state = body.state;
      shown = body.state;
    }
    live.update?.(body, updated_at);
  };
  return { element: h("div", { class: "card" }, said, attachments(message.body.files), status), update };
}

/** Long commands are cut after some lines, with a button for the rest. */
function clamped(code) {
  const more = h("button", { type: "button", class: "more", hidden: true, onclick: () => box.classList.add("open") }, "Show all");
  const box = h("div", { class: "clamped" }, code, more);
  new ResizeObserver(() => (more.hidden = box.classList.contains("open") || code.scrollHeight <= code.clientHeight + 2)).observe(code);
  more.addEventListener("click", () => (more.hidden = true));
  return box;
}

function underWay(body, context) {
  const word = h("strong", {});
  const detail = h("span", { class: "detail" });
  const fill = h("div", { class: "fill" });
  const bar = h("div", { class: "progress", role: "progressbar", "aria-label": `Progress of ${body.title}`, "aria-valuemin": "0", "aria-valuemax": "100" }, fill);
  const stop = body.asked_by === context.me.id && button("stop", "Cancel", () => cancel(body.job, stop, context), { text: true });
  const row = h("div", { class: "status-row" }, h("span", { class: "pulse", "aria-hidden": "true" }), word, detail, stop);
  const element = h("div", { class: "under-way" }, row, bar);
  let latest = null;
  element.tick = () => {
    const [now, at] = latest;
    const left = now.eta == null ? null : now.eta - (Date.now() / 1000 + context.offset - at);
    detail.textContent = now.state === "waiting" ? now.sentence : [percent(now), left > 0.5 && `about ${lasting(left)} left`].filter(Boolean).join(" · ");
  };
  const update = (newer, at) => {
    latest = [newer, at];
    word.textContent = newer.word.charAt(0).toUpperCase() + newer.word.slice(1);
    const known = newer.fraction != null;
    bar.hidden = newer.state === "waiting";
    bar.classList.toggle("unknown", !known);
    fill.style.width = known ? `${Math.max(2, newer.fraction * 100)}%` : "";
    if (known) bar.setAttribute("aria-valuenow", Math.round(newer.fraction * 100));
    else bar.removeAttribute("aria-valuenow");
    bar.setAttribute("aria-valuetext", newer.sentence);
    element.tick();
  };
  return { element, update };
}

/** The time left runs down between two looks at the provider. */
setInterval(() => document.querySelectorAll(".under-way").forEach((element) => element.tick()), 1000);

const percent = (body) => body.fraction != null && `${Math.round(body.fraction * 100)} %`;

async function cancel(job, stop, context) {
  stop.disabled = true;
  stop.lastChild.textContent = "Cancelling";
  try {
    await api.cancel(job);
  } catch (error) {
    stop.disabled = false;
    stop.lastChild.textContent = "Cancel";
    context.say(error.message, true);
  }
}

const MARKS = { ready: "check", failed: "warning", cancelled: "stop", unknown: "question" };

function ended(body, context) {
  const row = h("div", { class: "status-row" }, icon(MARKS[body.state]), h("span", { class: "sentence" }, body.sentence));
  const preview = body.state === "ready" && !context.inThread && gallery(body.media, { small: true });
  const actions = body.state !== "ready" && h("div", { class: "actions" }, mend(body, context), ...repeat(body, context));
  return { element: h("div", { class: "ended" }, row, preview, actions) };
}

// -- what can be done with it

const mend = (body, context) => button("edit", "Edit", () => context.edit(body.text, body.files), { text: true, title: "Put the command into the message box" });

function repeat(body, context) {
  const run = (newSeed) => async (event) => {
    const pressed = event.currentTarget;
    pressed.disabled = true;
    try {
      await context.again(body.job, newSeed);
    } catch (error) {
      context.say(error.message, true);
    }
    pressed.disabled = false;
  };
  return [
    button("again", "Again", run(false), { text: true, title: "Run exactly this once more" }),
    body.seed !== null && button("dice", "New seed", run(true), { text: true, title: "The same with another seed" }),
  ].filter(Boolean);
}

function copy(body, context) {
  return button("copy", "Copy command", async () => {
    try {
      await navigator.clipboard.writeText(body.text);
      context.say("The command is copied.");
    } catch {
      context.edit(body.text, body.files);
      context.say("The command stands in the message box.");
    }
  }, { text: true });
}

const complain = (body, context) => button("flag", context.words.report, () => context.report(body.job), { text: true, title: context.words.report_help });

// -- a result

function result(message, context) {
  const { body } = message;
  const figures = [body.took && `${body.took}`, body.cost, body.seed !== null && `seed ${body.seed}`].filter(Boolean);
  return {
    element: h(
      "div",
      { class: "result" },
      gallery(body.media),
      h("p", { class: "figures" }, `/${body.model}`, " · ", figures.join(" · ")),
      h("div", { class: "actions" }, downloads(body.media), copy(body, context), mend(body, context), ...repeat(body, context), complain(body, context)),
    ),
  };
}
