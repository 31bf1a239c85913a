// The stream of events. The last one seen is remembered, so that a new connection goes on right behind it.

const PAUSES = [300, 1000, 2000, 4000];
const HIDDEN_FOR = 60_000;

export class Live {
  /** `on`: {message, edit, channel, reset, status}; `status` hears whether the stream is open. */
  constructor(after, on) {
    this.after = after;
    this.on = on;
    this.failures = 0;
    this.open();
    document.addEventListener("visibilitychange", () => this.#mind());
    addEventListener("online", () => this.#again());
  }

  open() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = new EventSource(`/api/events?after=${this.after}`);
    this.source.onopen = () => {
      this.failures = 0;
      this.on.status(true);
    };
    this.source.onerror = () => this.#failed();
    for (const kind of ["message", "edit", "channel"]) this.source.addEventListener(kind, (event) => this.#heard(kind, event));
    this.source.addEventListener("reset", () => {
      this.source.close();
      this.on.reset();
    });
  }

  /** Go on behind another event, after everything was loaded anew. */
  from(after) {
    this.after = after;
    this.open();
  }

  #heard(kind, event) {
    const id = Number(event.lastEventId);
    if (id <= this.after) return;
    this.after = id;
    this.on[kind](JSON.parse(event.data));
  }

  #failed() {
    this.source.close();
    this.on.status(false);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#again(), PAUSES[Math.min(this.failures, PAUSES.length - 1)]);
    this.failures += 1;
  }

  async #again() {
    if (this.source.readyState === EventSource.OPEN && !this.asleep) return;
    const answer = await fetch("/api/messages/0").catch(() => null);
    if (answer?.status === 401) location.assign("/login");
    else if (answer) this.open();
    else this.#failed();
  }

  /** Browsers allow six connections to a server: a tab that nobody looks at gives its own back after a while. */
  #mind() {
    clearTimeout(this.sleep);
    if (document.hidden) {
      this.sleep = setTimeout(() => {
        this.asleep = true;
        clearTimeout(this.timer);
        this.source.close();
      }, HIDDEN_FOR);
    } else if (this.asleep) {
      this.asleep = false;
      this.open();
    }
  }
}
