// What was made here, newest first: cancel what runs, take down what shouldn't stand.

import * as api from "./api.js";
import { button, h, replace } from "./dom.js";

export async function jobs(body, context) {
  const person = decodeURIComponent(location.hash.split("/")[1] ?? "");
  const { jobs: found } = await api.get(`/api/admin/jobs${person ? `?person=${encodeURIComponent(person)}` : ""}`);
  if (!context.current()) return;
  const { t } = context;
  const only = person && h("p", { class: "only" }, t("jobs_of", { name: found[0]?.person.name ?? person }), h("a", { href: "#jobs", class: "ghost" }, t("jobs_all")));
  replace(body, only, found.length ? h("ul", { class: "rows" }, found.map((job) => row(job, context))) : h("p", { class: "nothing" }, t("jobs_none")));
}

function row(job, context) {
  const { t, when, state } = context;
  const channel = state.channels.find((one) => one.id === job.channel);
  const stop = job.runs && button("stop", t("cancel_job"), (event) => act(event, job, "cancel", context), { text: true });
  const remove = !job.runs && button("close", t("remove"), async (event) => {
    const pressed = event.currentTarget;
    if (await context.sure(t("remove_sure"), t("remove"))) await act({ currentTarget: pressed }, job, "remove", context);
  }, { text: true });
  return h(
    "li",
    { class: "panel row", "data-job": job.id },
    h(
      "div",
      { class: "row-main" },
      h("p", { class: "row-title" }, h("code", { class: "command" }, job.text)),
      h("p", { class: job.state === "failed" || job.state === "unknown" ? "wrong" : "soft" }, job.sentence),
      h("p", { class: "faint" }, h("a", { href: `#jobs/${encodeURIComponent(job.person.id)}` }, job.person.name), " · ", when(job.at), channel && ` · #${channel.title}`, job.cost && ` · ${job.cost}`, " · ", h("code", {}, job.id)),
    ),
    h("div", { class: "row-actions" }, stop, remove, h("a", { class: "ghost", href: `#people/${encodeURIComponent(job.person.id)}` }, t("block_who"))),
  );
}

async function act(event, job, what, context) {
  const pressed = event.currentTarget;
  pressed.disabled = true;
  try {
    await api.post(`/api/admin/jobs/${encodeURIComponent(job.id)}/${what}`, {});
    context.toast(context.t(`${what}_done`));
    await context.reload();
  } catch (error) {
    pressed.disabled = false;
    context.failed(error);
  }
}
