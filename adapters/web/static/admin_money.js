// The keys that the server has brought, and what was spent.

import * as api from "./api.js";
import { button, h, icon, replace } from "./dom.js";

export async function keys(body, context) {
  const found = await api.get("/api/admin/keys");
  if (context.current()) drawKeys(body, found, context);
}

function drawKeys(body, { keys: found, providers }, context) {
  const { t, when } = context;
  const drop = (one) => async () => {
    if (!(await context.sure(t("key_sure", { provider: one.provider }), t("key_drop")))) return;
    try {
      drawKeys(body, await api.post("/api/admin/keys/drop", { provider: one.provider }), context);
      context.toast(t("key_dropped"));
    } catch (error) {
      context.failed(error);
    }
  };
  const row = (one) =>
    h(
      "li",
      { class: "panel row" },
      h("div", { class: "row-main" }, h("p", { class: "row-title" }, icon("key"), h("strong", {}, one.provider)), h("p", { class: "faint" }, t("by", { name: one.by }), " · ", when(one.set_at))),
      h("div", { class: "row-actions" }, button("close", t("key_drop"), drop(one), { text: true })),
    );
  const list = found.length ? h("ul", { class: "rows" }, found.map(row)) : h("p", { class: "nothing" }, t("keys_none"));
  replace(body, providers.length ? keyForm(body, providers, context) : h("p", { class: "nothing" }, t("keys_no_provider")), list);
}

function keyForm(body, providers, context) {
  const { t } = context;
  const provider = h("select", { id: "key-provider" }, providers.map((one) => h("option", { value: one }, one)));
  const key = h("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", maxlength: 500 });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const save = h("button", { type: "submit", class: "primary" }, t("key_set"));
  const submit = async (event) => {
    event.preventDefault();
    if (!key.value.trim()) return key.focus();
    save.disabled = true;
    wrong.textContent = "";
    try {
      const fresh = await api.once("/api/admin/keys", { provider: provider.value, key: key.value });
      context.toast(t("key_saved"));
      drawKeys(body, fresh, context);
    } catch (error) {
      wrong.textContent = error.message;
    }
    key.value = "";
    save.disabled = false;
    return null;
  };
  const field = (label, control, help) => h("div", { class: "field" }, h("label", { for: control.id }, t(label)), help && h("p", { class: "help" }, t(help)), control);
  return h("form", { class: "panel", novalidate: true, onsubmit: submit }, h("div", { class: "fields" }, field("provider", provider), field("key", key)), h("p", { class: "help" }, t("key_help")), wrong, h("footer", {}, save));
}

// -- money

export async function money(body, context) {
  const found = await api.get("/api/admin/money");
  if (context.current()) drawMoney(body, found, context);
}

function drawMoney(body, statement, context) {
  const { t, when } = context;
  const budget = (one) => {
    const fill = h("div", { class: "fill" });
    if (one.share !== null) fill.style.width = `${Math.max(one.share > 0 ? 1 : 0, one.share * 100)}%`;
    const bar = one.share !== null && h("div", { class: `progress${one.share >= 1 ? " full" : one.share >= 0.8 ? " near" : ""}`, role: "meter", "aria-label": one.title, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": Math.round(one.share * 100) }, fill);
    return h(
      "section",
      { class: "panel budget" },
      h("h3", {}, one.title),
      h("p", { class: "amount" }, h("strong", {}, one.used), " ", h("span", { class: "soft" }, one.limit === null ? t("no_budget") : t("of_budget", { limit: one.limit }))),
      bar,
      h("p", { class: "faint" }, one.period, " · ", t("resets"), " ", when(one.resets_at)),
    );
  };
  replace(
    body,
    h("div", { class: "budgets" }, statement.budgets.map(budget)),
    h("p", { class: "faint" }, t("zone", { zone: statement.zone }), " ", h("a", { href: "#settings" }, t("budgets_set"))),
    h("h3", { class: "sub" }, t("open_charges")),
    h("p", { class: "lead" }, t("open_lead")),
    statement.open.length ? h("ul", { class: "rows" }, statement.open.map((one) => charge(one, body, context))) : h("p", { class: "nothing" }, t("open_none")),
  );
}

function charge(one, body, context) {
  const { t, when } = context;
  const id = `cost-${one.job}`;
  const cost = h("input", { id, type: "number", min: 0, step: "any", inputmode: "decimal", placeholder: "0.00", required: true, autocomplete: "off" });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    if (cost.value === "") return cost.focus();
    try {
      const fresh = await api.once("/api/admin/money/settle", { job: one.job, cost: cost.value });
      context.toast(t("settled"));
      drawMoney(body, fresh, context);
    } catch (error) {
      wrong.textContent = error.message;
    }
    return null;
  };
  return h(
    "li",
    { class: "panel row", "data-job": one.job },
    h("div", { class: "row-main" }, h("p", { class: "row-title" }, h("strong", {}, `/${one.model}`), h("span", { class: "badge" }, t("reserved", { amount: one.reserved }))), h("p", { class: "faint" }, one.provider, " · ", when(one.at), " · ", h("code", {}, one.job)), wrong),
    h("form", { class: "settle", novalidate: true, onsubmit: submit }, h("label", { for: id, class: "unseen" }, t("cost_of", { job: one.job })), h("span", { class: "faint" }, "US$"), cost, h("button", { type: "submit", class: "ghost" }, t("settle"))),
  );
}
