// All settings as a file: saved, compared, taken over.

import * as api from "./api.js";
import { diff } from "./admin_audit.js";
import { h, icon, replace } from "./dom.js";

export async function files(body, context) {
  const { t } = context;
  const area = h("textarea", { id: "toml", rows: 14, spellcheck: "false", placeholder: `models = ["animate"]\nbudget.server.month = "25.00"\n\n[channel."studio"]\nask_above = "0.50"` });
  const picker = h("input", { id: "toml-file", type: "file", accept: ".toml,text/plain", class: "unseen" });
  const found = h("div", { class: "found", "aria-live": "polite" });
  const compare = h("button", { type: "submit", class: "primary" }, t("compare"));
  picker.addEventListener("change", async () => {
    const [file] = picker.files;
    if (file) area.value = await file.text();
    picker.value = "";
    replace(found);
    area.focus();
  });
  area.addEventListener("input", () => replace(found));
  const submit = async (event) => {
    event.preventDefault();
    compare.disabled = true;
    try {
      const proposal = await api.post("/api/admin/import", { text: area.value });
      replace(found, proposed(proposal, area.value));
    } catch (error) {
      const lines = error.problems.length ? error.problems.map((one) => one.text) : error.message.split("\n");
      replace(found, h("div", { class: "mistakes-box", role: "alert" }, icon("warning"), h("ul", {}, lines.map((line) => h("li", {}, line)))));
    }
    compare.disabled = false;
  };

  function proposed({ changes, revision }, text) {
    if (!changes.length) return h("p", { class: "nothing" }, t("no_changes"));
    const apply = h("button", { type: "button", class: "primary", onclick: take }, t(changes.length === 1 ? "apply_one" : "apply", { count: changes.length }));
    const wrong = h("p", { class: "wrong", role: "alert" });
    return h("section", { class: "panel" }, h("h3", {}, t("would_change")), changes.map((one) => h("div", { class: "change" }, h("code", {}, `${one.scope} ${one.key}`), diff([one.before, one.after]))), wrong, h("footer", {}, apply));

    async function take() {
      apply.disabled = true;
      try {
        await api.once("/api/admin/import/apply", { text, revision });
        context.toast(t("imported"));
        replace(found, h("p", { class: "nothing" }, t("imported")));
      } catch (error) {
        apply.disabled = false;
        wrong.textContent = error.message;
      }
    }
  }

  replace(
    body,
    h("section", { class: "panel" }, h("h3", {}, t("export")), h("p", { class: "soft" }, t("export_help")), h("p", { class: "tools-row" }, h("a", { class: "ghost", href: "/api/admin/export", download: "threadreel-settings.toml" }, icon("download"), t("export_button")))),
    h(
      "form",
      { class: "panel", novalidate: true, onsubmit: submit },
      h("h3", {}, h("label", { for: "toml" }, t("import"))),
      h("p", { class: "soft" }, t("import_help")),
      area,
      h("footer", {}, h("div", { class: "file-ways" }, picker, h("label", { class: "ghost", for: "toml-file" }, icon("file"), t("choose_file"))), compare),
    ),
    found,
  );
}
