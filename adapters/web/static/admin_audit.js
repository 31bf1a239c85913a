// What was done here by those who look after it, newest first.

import * as api from "./api.js";
import { button, h, icon, replace } from "./dom.js";

export async function audit(body, context) {
  const { t } = context;
  const list = h("ul", { class: "audit" });
  const older = button("down", t("older"), () => more(), { text: true });
  let last = null;

  async function more() {
    older.disabled = true;
    try {
      const page = await api.get(`/api/admin/audit${last === null ? "" : `?before=${last}`}`);
      list.append(...page.records.map((record) => row(record, context)));
      last = page.records.at(-1)?.id ?? last;
      older.hidden = !page.more;
      if (!list.childElementCount) list.replaceWith(h("p", { class: "nothing" }, t("audit_none")));
    } catch (error) {
      context.failed(error);
    }
    older.disabled = false;
  }

  await more();
  if (!context.current()) return;
  replace(body, h("p", { class: "tools-row" }, h("a", { class: "ghost", href: "/api/admin/audit.csv", download: "threadreel-audit.csv" }, icon("download"), t("audit_csv"))), list, older);
  if (last === null) replace(body, h("p", { class: "nothing" }, t("audit_none")));
}

function row(record, { t, when }) {
  const change = (record.before !== null || record.after !== null) && diff([record.before ?? t("unset"), record.after ?? t("unset")]);
  return h(
    "li",
    { class: "panel" },
    h("p", {}, h("strong", {}, record.by || "Threadreel"), " ", record.word, " ", record.subject && h("code", {}, record.subject)),
    change,
    h("p", { class: "faint" }, when(record.at)),
  );
}

/** What was and what is, a line each. */
export function diff([before, after]) {
  return h("pre", { class: "diff" }, before !== null && h("span", { class: "minus" }, `- ${before}\n`), after !== null && h("span", { class: "plus" }, `+ ${after}\n`));
}
