// Who is blocked, who is trusted.

import * as api from "./api.js";
import { button, h, icon, replace } from "./dom.js";

const ENDS = [["", "until_lifted"], ["3600", "for_hour"], ["86400", "for_day"], ["604800", "for_week"], ["2592000", "for_month"]];

export async function people(body, context) {
  const [{ people: found }, { jobs }] = await Promise.all([api.get("/api/admin/people"), api.get("/api/admin/jobs")]);
  if (!context.current()) return;
  const known = new Map(jobs.map((job) => [job.person.id, job.person.name]));
  const list = h("div", {});
  replace(body, form(known, context, (fresh) => draw(list, fresh, context)), list);
  draw(list, found, context);
}

function draw(list, found, context) {
  const { t } = context;
  if (!found.length) return replace(list, h("p", { class: "nothing" }, t("people_none")));
  return replace(list, h("ul", { class: "rows" }, found.map((one) => row(one, list, context))));
}

function row(one, list, context) {
  const { t, when } = context;
  const clear = button("close", t(one.standing === "blocked" ? "unblock" : "distrust"), () => stand({ person: one.id, standing: "none" }, context, (fresh) => draw(list, fresh, context)), { text: true });
  return h(
    "li",
    { class: "panel row" },
    h(
      "div",
      { class: "row-main" },
      h("p", { class: "row-title" }, h("strong", {}, one.name), h("span", { class: `badge ${one.standing}` }, t(one.standing))),
      one.reason && h("p", {}, one.reason),
      h("p", { class: "faint" }, h("code", {}, one.id), " · ", one.until ? [`${t("until")} `, when(one.until)] : t("open_end"), " · ", t("by", { name: one.by }), " · ", when(one.at)),
    ),
    h("div", { class: "row-actions" }, clear),
  );
}

async function stand(wanted, context, done) {
  try {
    const { people: fresh } = await api.post("/api/admin/people", wanted);
    context.toast(context.t("saved"));
    done(fresh);
    return "";
  } catch (error) {
    context.failed(error);
    return error.message;
  }
}

function form(known, context, done) {
  const { t } = context;
  const [, given = ""] = location.hash.split("/").map(decodeURIComponent);
  const names = h("datalist", { id: "known-people" }, [...known].map(([id, name]) => h("option", { value: id }, name)));
  const person = h("input", { id: "person", list: "known-people", required: true, autocomplete: "off", value: given });
  const name = h("input", { id: "person-name", autocomplete: "off", value: known.get(given) ?? "" });
  const standing = h("select", { id: "standing" }, h("option", { value: "blocked" }, t("block")), h("option", { value: "trusted" }, t("trust")));
  const ends = h("select", { id: "ends" }, ENDS.map(([value, code]) => h("option", { value }, t(code))));
  const reason = h("input", { id: "reason", maxlength: 500, autocomplete: "off" });
  person.addEventListener("input", () => known.has(person.value) && (name.value = known.get(person.value)));
  const submit = async (event) => {
    event.preventDefault();
    if (!person.value.trim()) return person.focus();
    const until = ends.value ? Date.now() / 1000 + Number(ends.value) : null;
    const wanted = { person: person.value.trim(), name: name.value.trim(), standing: standing.value, reason: reason.value.trim(), until };
    if (!(await stand(wanted, context, done))) event.target.reset();
    return null;
  };
  const field = (label, control, help) => h("div", { class: "field" }, h("label", { for: control.id }, t(label)), help && h("p", { class: "help" }, t(help)), control);
  return h(
    "form",
    { class: "panel people-form", novalidate: true, onsubmit: submit },
    h("h3", {}, t("people_new")),
    h("div", { class: "fields" }, field("person", person, "person_help"), field("person_name", name, "person_name_help"), field("standing", standing), field("ends", ends), field("reason", reason)),
    names,
    h("footer", {}, h("button", { type: "submit", class: "primary" }, icon("check"), t("save"))),
  );
}
