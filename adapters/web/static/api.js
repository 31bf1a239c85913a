// Requests to the server.

/** The server said no: `problems` belong to fields, `message` is for people; with `confirm` it asks first. */
export class Refusal extends Error {
  constructor(message, problems = [], status = 0, confirm = null) {
    super(message);
    this.confirm = confirm;
    this.problems = problems;
    this.status = status;
  }
}

const TRIES = 4;
const OFFLINE = "The server can't be reached. Your text is still here; try again in a moment.";

export const get = (path) => ask(path, {});

/** Sent again until it is answered: whatever is not to be done twice carries a key. */
export const post = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** Sent once: what can't be repeated blindly, such as a key that is checked at its provider. */
export const once = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }, 1);

async function ask(path, options, tries = TRIES) {
  for (let attempt = 1; ; attempt += 1) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      if (attempt === tries) throw new Refusal(OFFLINE);
      await pause(300 * 2 ** attempt);
      continue;
    }
    if (answer.status >= 502 && attempt < tries) {
      await pause(300 * 2 ** attempt);
      continue;
    }
    return read(answer);
  }
}

async function read(answer) {
  if (answer.status === 401) leave();
  const text = await answer.text();
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    body = { error: answer.status < 500 ? text.slice(0, 300) : "" };
  }
  if (answer.ok) return body;
  throw new Refusal(body.error || "That didn't work; try again in a moment.", body.problems ?? [], answer.status, body.confirm ?? null);
}

/** The session is over. */
export function leave() {
  location.assign("/login");
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// -- what the page asks for

export const state = () => get("/api/state");
export const message = (id) => get(`/api/messages/${id}`);

export function messages(channel, { thread = null, before = null } = {}) {
  const query = new URLSearchParams();
  if (thread !== null) query.set("thread", thread);
  if (before !== null) query.set("before", before);
  return get(`/api/channels/${encodeURIComponent(channel)}/messages?${query}`);
}

export const cancel = (job) => post(`/api/jobs/${encodeURIComponent(job)}/cancel`, {});

export const confirm = (token) => post("/api/confirm", { token });
export const report = (job, reason) => post(`/api/jobs/${encodeURIComponent(job)}/report`, { reason });
export const forgetMe = () => post("/api/me/forget", {});

export const again = (job, where, newSeed, key) =>
  post(`/api/jobs/${encodeURIComponent(job)}/again`, { ...where, key, new_seed: newSeed });

/** Send a file; `progress` hears 0..1. Resolves to {digest, name, url}. */
export function upload(file, progress, signal) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest(); // fetch tells nothing of how far it is
    request.open("POST", `/api/files?name=${encodeURIComponent(file.name || "pasted.png")}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 401) leave();
      if (request.status === 201) done(request.response);
      else fail(new Refusal(request.response?.error || "The file could not be sent.", [], request.status));
    };
    request.onerror = () => fail(new Refusal("The file could not be sent; it may be too large."));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
