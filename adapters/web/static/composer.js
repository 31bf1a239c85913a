// Where one types: completion, files, mistakes, sending.

import * as api from "./api.js";
import { agreed } from "./ask.js";
import { button, h, icon, newKey, replace } from "./dom.js";
import { complete, modelOf, takes } from "./complete.js";
import { iconOf, kindOf } from "./media.js";

const HISTORY = 40;
const LONGEST = 20_000;
let counter = 0;

export class Composer {
  /** `context`: {commands, where(), sent(message), form(composer)}; `label` is read out. */
  constructor(context, { label, placeholder }) {
    this.context = context;
    this.files = [];
    this.at = -1;
    this.back = 0;
    this.id = `composer-${(counter += 1)}`;
    this.#build(label, placeholder);
    this.#listen();
  }

  #build(label, placeholder) {
    this.input = h("textarea", {
      rows: "1",
      placeholder,
      maxlength: String(LONGEST),
      "aria-label": label,
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-haspopup": "listbox",
      "aria-expanded": "false",
      "aria-controls": `${this.id}-list`,
      "aria-describedby": `${this.id}-mistakes`,
      autocomplete: "off",
      spellcheck: "true",
      enterkeyhint: "send",
    });
    this.panel = h("div", { class: "suggestions", hidden: true });
    this.list = h("ul", { id: `${this.id}-list`, role: "listbox", "aria-label": "Suggestions" });
    this.about = h("div", { class: "about" });
    replace(this.panel, this.about, this.list);
    this.mistakes = h("div", { class: "mistakes", id: `${this.id}-mistakes`, role: "alert" });
    this.chips = h("ul", { class: "chips", "aria-label": "Files to send" });
    this.picker = h("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", "aria-hidden": "true" });
    this.sendButton = button("send", "Send", () => this.send(), { class: "send" });
    const tools = h(
      "div",
      { class: "tools" },
      button("attach", "Attach files", () => this.picker.click()),
      button("sliders", "Fill in a form", () => this.context.form(this)),
      h("span", { class: "hint", "aria-hidden": "true" }, h("kbd", {}, "/"), " for commands"),
      this.sendButton,
    );
    this.element = h("div", { class: "composer" }, this.mistakes, this.panel, h("div", { class: "box" }, this.chips, this.input, tools, this.picker));
  }

  #listen() {
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("keydown", (event) => this.#pressed(event));
    this.input.addEventListener("click", () => this.#suggest());
    this.input.addEventListener("keyup", (event) => ["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key) && this.#suggest());
    this.input.addEventListener("blur", () => this.#hide());
    this.input.addEventListener("focus", () => this.#suggest());
    this.input.addEventListener("paste", (event) => {
      if (event.clipboardData.files.length) {
        event.preventDefault();
        this.add(event.clipboardData.files);
      }
    });
    this.picker.addEventListener("change", () => {
      this.add(this.picker.files);
      this.picker.value = "";
      this.input.focus();
    });
    this.panel.addEventListener("pointerdown", (event) => event.preventDefault()); // the text keeps the focus
    this.element.querySelector(".box").addEventListener("click", (event) => event.target.matches(".box, .tools, .hint") && this.input.focus());
    this.#typed();
  }

  // -- the text

  get text() {
    return this.input.value;
  }

  set(text, caret = text.length) {
    this.input.value = text;
    this.input.setSelectionRange(caret, caret);
    this.#typed();
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }

  #typed() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 220)}px`;
    this.input.classList.toggle("is-command", this.text.trimStart().startsWith("/"));
    if (!this.text) this.dismissed = false;
    this.#ready();
    this.#suggest();
    this.#readSoon();
    this.context.drafted?.(this.text);
  }

  #ready() {
    const busy = this.sending || this.files.some((file) => !file.digest && !file.error);
    const empty = !this.text.trim() && !this.files.some((file) => file.digest);
    this.sendButton.disabled = busy || empty;
    this.sendButton.classList.toggle("ready", !busy && !empty);
  }

  #pressed(event) {
    if (event.isComposing) return;
    const open = !this.panel.hidden && this.found?.items.length;
    const keys = {
      ArrowDown: () => open && this.#move(1),
      ArrowUp: () => (open ? this.#move(-1) : this.#recall(-1)),
      Tab: () => open && !event.shiftKey && this.#accept(Math.max(this.at, 0)),
      Escape: () => open && this.#dismiss(),
      Enter: () => !event.shiftKey && (open && this.at >= 0 ? this.#accept(this.at) : (this.send(), true)),
      " ": () => event.ctrlKey && this.#bringBack(),
    };
    if (keys[event.key]?.()) event.preventDefault();
  }

  // -- suggestions

  #suggest() {
    if (this.dismissed || document.activeElement !== this.input || this.input.selectionStart !== this.input.selectionEnd) return this.#hide();
    const files = this.files.filter((file) => file.digest);
    this.found = complete(this.text, this.input.selectionStart, this.context.commands, files);
    if (!this.found || (!this.found.items.length && !this.found.model && !this.found.option)) return this.#hide();
    this.at = this.found.sure ? 0 : -1;
    this.#drawAbout();
    this.#drawList();
    this.panel.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  #hide() {
    this.panel.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  #dismiss() {
    this.dismissed = true;
    this.#hide();
    return true;
  }

  #bringBack() {
    this.dismissed = false;
    this.#suggest();
    return true;
  }

  #drawAbout() {
    const { stage, option } = this.found;
    const model = modelOf(this.text, this.context.commands);
    if (stage === "command") return replace(this.about, h("span", { class: "faint" }, "Commands"));
    const wrong = this.wrong?.text === this.text.trim() ? this.wrong.problems : [];
    replace(
      this.about,
      option
        ? h("p", {}, h("b", {}, option.alias), ` ${option.help}`, h("span", { class: "faint" }, ` · ${takes(option)}`))
        : h("p", {}, h("b", {}, `/${model.command}`), ` ${model.summary}`),
      wrong.map((problem) => h("p", { class: "wrong" }, problem.text)),
    );
  }

  #drawList() {
    const rows = this.found.items.map((item, index) =>
      h(
        "li",
        { id: `${this.id}-${index}`, role: "option", "aria-selected": "false", onclick: () => this.#accept(index) },
        item.icon && icon({ image: "image", video: "video", audio: "sound" }[item.icon]),
        h("span", { class: "label" }, item.label),
        item.required && h("span", { class: "tag" }, "required"),
        item.help && h("span", { class: "help" }, item.help),
        item.detail && h("span", { class: "faint" }, item.detail),
      ),
    );
    replace(this.list, ...rows);
    this.list.scrollTop = 0;
    this.#mark();
  }

  #move(by) {
    const count = this.found.items.length;
    this.at = this.at < 0 ? (by > 0 ? 0 : count - 1) : (this.at + by + count) % count;
    this.#mark();
    return true;
  }

  #mark() {
    for (const row of this.list.children) row.setAttribute("aria-selected", "false");
    const row = this.list.children[this.at];
    if (!row) return this.input.removeAttribute("aria-activedescendant");
    row.setAttribute("aria-selected", "true");
    row.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", row.id);
    return null;
  }

  #accept(index) {
    const item = this.found?.items[index];
    if (!item) return false;
    if (item.pick) {
      this.picker.click();
      return true;
    }
    const { from, to } = this.found;
    const gap = from > 0 && !/[\s:]$/.test(this.text.slice(0, from)) ? " " : "";
    const rest = this.text.slice(to);
    const insert = gap + (rest.startsWith(" ") ? item.insert.trimEnd() : item.insert);
    this.input.setRangeText(insert, from, to, "end");
    this.input.focus();
    this.#typed();
    return true;
  }

  // -- mistakes while typing

  /** Ask the server what it makes of the command, once the typing pauses. */
  #readSoon() {
    clearTimeout(this.reading);
    if (modelOf(this.text, this.context.commands)) this.reading = setTimeout(() => this.#read(), 450);
  }

  async #read() {
    const text = this.text.trim();
    const read = await api.post("/api/read", { text, files: this.attached() }).catch(() => null);
    if (!read || text !== this.text.trim()) return;
    this.wrong = { text, problems: read.problems.filter((problem) => problem.code !== "missing").slice(0, 3) };
    if (!this.panel.hidden && this.found.stage !== "command") this.#drawAbout();
  }

  // -- files

  attached() {
    return this.files.filter((file) => file.digest).map(({ digest, name }) => ({ digest, name }));
  }

  add(files) {
    for (const file of files) this.#take(file);
    this.focus();
  }

  /** A file that is on the server already, such as that of a command to be changed. */
  keep(files) {
    for (const { digest, name, url } of files ?? []) this.files.push({ digest, name, preview: url });
    this.#drawChips();
    this.#ready();
  }

  async #take(file) {
    const entry = { name: file.name || "pasted.png", preview: URL.createObjectURL(file), done: 0, stop: new AbortController() };
    this.files.push(entry);
    this.#drawChips();
    this.#ready();
    try {
      const { digest, name } = await api.upload(file, (done) => this.#progress(entry, done), entry.stop.signal);
      Object.assign(entry, { digest, name });
    } catch (error) {
      entry.error = error.message;
    }
    this.#drawChips();
    this.#ready();
    this.#suggest();
  }

  #progress(entry, done) {
    entry.chip?.style.setProperty("--done", done);
  }

  remove(entry) {
    entry.stop?.abort();
    if (entry.preview?.startsWith("blob:")) URL.revokeObjectURL(entry.preview);
    this.files = this.files.filter((file) => file !== entry);
    this.#drawChips();
    this.#ready();
    this.focus();
  }

  #drawChips() {
    replace(this.chips, ...this.files.map((entry) => this.#chip(entry)));
  }

  #chip(entry) {
    const thumb = kindOf(entry.name) === "image" ? h("img", { src: entry.preview, alt: "" }) : icon(iconOf(entry.name));
    entry.chip = h(
      "li",
      { class: `chip${entry.error ? " failed" : entry.digest ? "" : " sending"}`, title: entry.error ?? entry.name },
      thumb,
      h("span", { class: "chip-name" }, entry.name),
      entry.error && h("span", { class: "wrong", role: "alert" }, entry.error),
      button("close", `Remove ${entry.name}`, () => this.remove(entry)),
    );
    return entry.chip;
  }

  // -- sending

  async send(order = null) {
    if (!order && this.sendButton.disabled) return false;
    const text = this.text;
    const attached = this.attached();
    const body = { ...this.context.where(), text: order ? "" : text, files: order ? [] : attached, ...(order ? { order } : {}) };
    const same = JSON.stringify(body);
    if (same !== this.last) Object.assign(this, { last: same, key: newKey() });
    this.#busy(true);
    try {
      const { message } = await agreed(() => api.post("/api/messages", { ...body, key: this.key }));
      this.last = null;
      this.#remember(text);
      this.clear(attached);
      this.context.sent(message);
      return true;
    } catch (error) {
      if (order) throw error;
      this.complain(error.problems?.length ? error.problems.map((problem) => problem.text) : error.message.split("\n"));
      return false;
    } finally {
      this.#busy(false);
      if (!order) this.focus();
    }
  }

  #busy(busy) {
    this.sending = busy;
    this.element.classList.toggle("busy", busy);
    this.input.readOnly = busy;
    this.#ready();
  }

  clear(sent = this.attached()) {
    const gone = new Set(sent.map((file) => file.digest));
    this.files = this.files.filter((file) => file.digest && !gone.has(file.digest));
    this.#drawChips();
    this.complain([]);
    this.set("");
  }

  /** What is wrong, a line each; the text stays, to be mended. */
  complain(lines) {
    if (!lines.length) return replace(this.mistakes);
    this.#dismiss();
    return replace(
      this.mistakes,
      h("div", { class: "mistakes-box" }, icon("warning"), h("ul", {}, lines.map((line) => h("li", {}, line))), button("close", "Dismiss", () => this.complain([]))),
    );
  }

  // -- what was sent before

  #remember(text) {
    if (!text.trim()) return;
    const all = [text, ...history().filter((one) => one !== text)].slice(0, HISTORY);
    sessionStorage.setItem("history", JSON.stringify(all));
    this.back = 0;
  }

  /** The arrow up in an empty box brings back what was sent last, then what was sent before that. */
  #recall(by) {
    const all = history();
    const shown = this.back > 0 && this.text === all[this.back - 1];
    if (by > 0 || (this.text && !shown) || !all.length) return false;
    this.back = shown ? Math.min(this.back + 1, all.length) : 1;
    this.dismissed = true;
    this.set(all[this.back - 1]);
    return true;
  }
}

const history = () => JSON.parse(sessionStorage.getItem("history") ?? "[]");
