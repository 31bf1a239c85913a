// A list of messages, oldest first: a channel's, or a thread's.

import * as api from "./api.js";
import { day, h, icon, replace } from "./dom.js";
import { element } from "./messages.js";

const NEAR = 80;
const PAGE = 50;
const CLOSE = 300;

export class Timeline {
  /** `context` as messages.js wants it; `empty()` gives what stands where nothing is said yet. */
  constructor(scroller, context, empty = () => null) {
    this.scroller = scroller;
    this.context = context;
    this.empty = empty;
    this.list = h("div", { class: "timeline", role: "feed", "aria-busy": "false" });
    this.down = h("button", { type: "button", class: "to-end", hidden: true, onclick: () => this.toEnd(true) }, icon("down"), h("span", {}, "New messages"));
    this.items = new Map();
    replace(scroller, this.list);
    scroller.parentElement.querySelector(":scope > .to-end")?.remove();
    scroller.after(this.down);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // Pictures that arrive late, and a composer that grows, must not push the newest message away.
    this.observer = new ResizeObserver(() => this.stuck && this.toEnd());
    this.observer.observe(this.list);
    this.observer.observe(scroller);
    this.stuck = true;
  }

  async load(channel, thread = null) {
    this.where = { channel, thread };
    this.list.setAttribute("aria-busy", "true");
    const where = this.where;
    const { messages } = await api.messages(channel, { thread });
    if (this.where !== where) return;
    this.items.clear();
    this.all = messages.length < PAGE;
    for (const message of messages) this.items.set(message.id, { message });
    this.#draw();
    this.list.setAttribute("aria-busy", "false");
    this.toEnd();
  }

  has = (id) => this.items.has(id);
  get = (id) => this.items.get(id)?.message;

  /** A new message, or a newer version of one. */
  upsert(message) {
    const item = this.items.get(message.id);
    if (item) {
      if (message.updated_at < item.message.updated_at) return;
      // An edit's message does not count its answers.
      item.message = { ...message, reply_count: Math.max(message.reply_count ?? 0, item.message.reply_count ?? 0) };
      item.element?.update(item.message);
      return;
    }
    if (this.#isBeforeAll(message)) return;
    this.items.set(message.id, { message });
    const wasStuck = this.stuck;
    this.#draw();
    if (wasStuck || message.author.id === this.context.me.id) this.toEnd();
    else this.down.hidden = false;
  }

  toEnd(smooth = false) {
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: smooth ? "smooth" : "instant" });
    this.down.hidden = true;
    this.stuck = true;
  }

  close() {
    this.observer.disconnect();
    this.down.remove();
    this.where = null;
  }

  #isBeforeAll(message) {
    return !this.all && this.items.size > 0 && message.id < Math.min(...this.items.keys());
  }

  #draw() {
    const items = [...this.items.values()].sort((one, other) => one.message.id - other.message.id);
    if (!items.length) return replace(this.list, this.empty());
    const nodes = [];
    let before = null;
    for (const item of items) {
      item.element ??= element(item.message, this.context);
      if (!before ? !this.context.inThread : day(before.created_at) !== day(item.message.created_at)) {
        nodes.push(h("div", { class: "day", role: "separator" }, h("span", {}, day(item.message.created_at))));
        before = null;
      }
      item.element.classList.toggle("follows", follows(before, item.message));
      nodes.push(item.element);
      before = item.message;
    }
    this.#put(nodes);
  }

  /** Moves and adds only what must be: a film that is moved would begin again. */
  #put(nodes) {
    const wanted = new Set(nodes);
    for (const child of [...this.list.children]) if (!wanted.has(child)) child.remove();
    nodes.forEach((node, index) => {
      if (this.list.children[index] !== node) this.list.insertBefore(node, this.list.children[index] ?? null);
    });
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.stuck = scrollHeight - scrollTop - clientHeight < NEAR;
    if (this.stuck) this.down.hidden = true;
    if (scrollTop < 200) this.#loadEarlier();
  }

  async #loadEarlier() {
    if (this.all || this.loading || !this.items.size) return;
    this.loading = true;
    const where = this.where;
    try {
      const before = Math.min(...this.items.keys());
      const { messages } = await api.messages(where.channel, { thread: where.thread, before });
      if (this.where !== where) return;
      this.all = messages.length < PAGE;
      for (const message of messages) if (!this.items.has(message.id)) this.items.set(message.id, { message });
      const height = this.scroller.scrollHeight - this.scroller.scrollTop;
      this.#draw();
      this.scroller.scrollTop = this.scroller.scrollHeight - height;
    } finally {
      this.loading = false;
    }
  }
}

/** Whether a message goes on where the same person left off. */
function follows(before, message) {
  return (
    before !== null &&
    before.kind === "text" &&
    message.kind === "text" &&
    before.author.id === message.author.id &&
    message.created_at - before.created_at < CLOSE &&
    !before.reply_count
  );
}
