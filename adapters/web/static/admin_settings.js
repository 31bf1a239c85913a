// The settings: what holds, where it comes from, and a fitting control for each.

import * as api from "./api.js";
import { button, h, icon, replace } from "./dom.js";

export async function settings(body, context) {
  const { state, t } = context;
  const wanted = decodeURIComponent(location.hash.split("/")[1] ?? "server");
  const shown = await load(wanted);
  if (!context.current()) return;
  const scopes = h("select", { id: "scope" }, h("option", { value: "server" }, t("scope_server")), state.channels.map(({ id, title }) => h("option", { value: `channel:${id}` }, named(`channel:${id}`, title))));
  scopes.value = wanted;
  scopes.addEventListener("change", () => (location.hash = scopes.value === "server" ? "settings" : `settings/${encodeURIComponent(scopes.value)}`));

  function named(scope, title) {
    return `${t("scope_channel", { name: title })}${shown.scopes.includes(scope) ? ` · ${t("scope_own")}` : ""}`;
  }

  const groups = h("div", { class: "groups" });
  replace(body, h("div", { class: "scope" }, h("label", { for: "scope" }, t("scope")), scopes), groups);
  draw(shown.groups);

  function draw(found) {
    const page = { ...context, scope: shown.scope, changed };
    replace(
      groups,
      found.map((group) =>
        h(
          "section",
          { class: "panel", "aria-label": group.title },
          h("h3", {}, group.title),
          group.group === "inputs" && h("p", { class: "faint" }, t("inputs_lead")),
          group.settings.map((setting) => row(setting, page)),
          group.group === "inputs" && adder(page),
        ),
      ),
    );
  }

  /** After a change: the values anew, the focus where it was. */
  async function changed(key) {
    const fresh = await load(shown.scope);
    draw(fresh.groups);
    (groups.querySelector(`[data-key="${CSS.escape(key)}"] .control :is(input, select, textarea)`) ?? groups.querySelector("#add-input"))?.focus();
  }
}

const load = (scope) => api.get(`/api/admin/settings?scope=${encodeURIComponent(scope)}`);

function row(setting, page) {
  const { t } = page;
  const id = `setting-${setting.key}`;
  const control = make(setting, id, page);
  const wrong = h("p", { class: "wrong", id: `${id}-wrong`, role: "alert" });
  const save = h("button", { type: "submit", class: "primary small" }, t("save"));
  const undo = h("button", { type: "button", class: "plain small", onclick: () => (control.set(setting.value), dirty()) }, t("undo"));
  const asking = h("div", { class: "saving", hidden: true }, save, undo);
  const reset = setting.here && button("again", t("reset"), () => send(null), { text: true, title: t("reset_help"), class: "link" });
  const before = JSON.stringify(control.value());
  const dirty = () => {
    asking.hidden = JSON.stringify(control.value()) === before;
    wrong.textContent = "";
  };
  control.focused.setAttribute("aria-describedby", `${id}-help ${id}-wrong`);
  const form = h(
    "form",
    { class: "setting", "data-key": setting.key, novalidate: true, oninput: dirty, onchange: dirty, onsubmit: submit },
    h("div", { class: "about-setting" }, h("label", { for: id }, setting.help), h("code", { class: "faint" }, setting.key), h("span", { class: "unseen", id: `${id}-help` }, setting.origin_text)),
    h("div", { class: "control" }, control.element, asking, wrong, h("p", { class: `origin${setting.here ? " own" : ""}` }, h("span", {}, setting.origin_text), reset)),
  );

  function submit(event) {
    event.preventDefault();
    if (!asking.hidden) send(control.value());
  }

  async function send(value) {
    save.disabled = true;
    try {
      await api.post("/api/admin/settings", { scope: page.scope, changes: { [setting.key]: value } });
      page.toast(t(value === null ? "reset_done" : "saved"));
      await page.changed(setting.key);
    } catch (error) {
      wrong.textContent = error.message;
      control.focused.setAttribute("aria-invalid", "true");
    } finally {
      save.disabled = false;
    }
  }
  return form;
}

// -- controls: {element, focused, value() -> what to send, set(value)}

function make(setting, id, page) {
  const kinds = { choice, number, money, lines, models, channel, channels, text, switch: onOff };
  const made = (kinds[setting.control.kind] ?? text)(setting.control, id, page);
  made.set(setting.value);
  return made;
}

function single(element, read = (text) => text) {
  const value = () => (element.value.trim() === "" ? null : read(element.value.trim()));
  return { element, focused: element, value, set: (value) => (element.value = value ?? "") };
}

const text = (control, id) => single(h("input", { id, type: "text", autocomplete: "off", placeholder: control.example }));

function choice(control, id, { t }) {
  const said = (one) => (t(`choice_${one}`) === `choice_${one}` ? one : t(`choice_${one}`));
  return single(h("select", { id }, h("option", { value: "" }, "–"), control.choices.map((one) => h("option", { value: one }, said(one)))));
}

function number(control, id, { t }) {
  const field = h("input", { id, type: "number", min: control.least ?? 0, step: "any", inputmode: "numeric", autocomplete: "off", placeholder: t("no_limit") });
  const made = single(field);
  return { ...made, element: h("div", { class: "with-unit" }, field, control.unit && h("span", { class: "faint" }, t(`unit_${control.unit}`))) };
}

function money(control, id, { t }) {
  const field = h("input", { id, type: control.words ? "text" : "number", min: 0, step: "any", inputmode: control.words ? null : "decimal", autocomplete: "off", placeholder: control.words ? t("price_refuse") : t("no_limit") });
  return { ...single(field), element: h("div", { class: "with-unit" }, h("span", { class: "faint" }, "US$"), field) };
}

/** Yes or no; where nothing is said, neither. */
function onOff(control, id, { t }) {
  const made = single(h("select", { id }, h("option", { value: "" }, "–"), h("option", { value: "true" }, t("yes")), h("option", { value: "false" }, t("no"))), (text) => text === "true");
  return { ...made, set: (value) => (made.element.value = value == null ? "" : String(value)) };
}

/** Words, patterns, ids: one a line. */
function lines(control, id, { t }) {
  const area = h("textarea", { id, rows: 2, placeholder: t("one_a_line"), spellcheck: "false" });
  const grow = () => (area.rows = Math.min(10, Math.max(2, area.value.split("\n").length)));
  area.addEventListener("input", grow);
  const value = () => {
    const found = area.value.split("\n").map((line) => line.trim()).filter(Boolean);
    return found.length ? found : null;
  };
  const set = (value) => {
    area.value = (value ?? []).join("\n");
    grow();
  };
  return { element: area, focused: area, value, set };
}

const ALL = "*";

/** Which of the models: all of them, or some. */
function models(control, id, page) {
  const pills = picks(page.state.models.map(({ command, title }) => [command, `/${command}`, title]), id, control.all ? page.t("all_models") : null);
  return { ...pills, value: () => pills.chosen(), set: (value) => pills.choose(value) };
}

function channels(control, id, page) {
  const pills = picks(page.state.channels.map(({ id: channel, title }) => [channel, `#${title}`, ""]), id, null);
  return { ...pills, value: () => (pills.chosen().length ? pills.chosen() : null), set: (value) => pills.choose(value) };
}

/** Pills to choose from: [value, shown, title] each; `all` is the label of one that stands for every one. */
function picks(entries, id, all) {
  const boxes = entries.map(([value, , title]) => h("input", { type: "checkbox", value, title }));
  const every = all && h("input", { type: "checkbox", value: ALL });
  const pill = (box, shown, title) => h("label", { title }, box, h("span", {}, shown));
  const group = h("div", { class: "words", role: "group", id, tabindex: "-1" }, every && pill(every, all, ""), boxes.map((box, index) => pill(box, entries[index][1], entries[index][2])));
  group.addEventListener("change", (event) => {
    if (every && event.target === every && every.checked) for (const box of boxes) box.checked = false;
    else if (every && event.target !== every && event.target.checked) every.checked = false;
  });
  const chosen = () => (every?.checked ? [ALL] : boxes.filter((box) => box.checked).map((box) => box.value));
  const choose = (value) => {
    const wanted = new Set(value ?? []);
    if (every) every.checked = value == null || wanted.has(ALL);
    for (const box of boxes) box.checked = wanted.has(box.value);
  };
  return { element: group, focused: boxes[0] ?? group, chosen, choose };
}

function channel(control, id, page) {
  const select = h("select", { id }, h("option", { value: "" }, page.t("no_channel")), page.state.channels.map(({ id: channel, title }) => h("option", { value: channel }, `#${title}`)));
  const made = single(select);
  const set = (value) => {
    if (value && ![...select.options].some((option) => option.value === value)) select.append(h("option", { value }, value));
    select.value = value ?? "";
  };
  return { ...made, set };
}

// -- rules for the options of a command

const RULES = ["default", "min", "max", "only"];

function adder(page) {
  const { t, state } = page;
  const command = h("select", { id: "add-input", "aria-label": t("input_command") }, state.models.map((model) => h("option", { value: model.command }, `/${model.command}`)));
  const input = h("select", { "aria-label": t("input_option") });
  const rule = h("select", { "aria-label": t("input_rule") }, RULES.map((one) => h("option", { value: one }, t(`rule_${one}`))));
  const value = h("input", { type: "text", "aria-label": t("input_value"), placeholder: t("input_value"), autocomplete: "off" });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const fill = () => replace(input, state.models.find((model) => model.command === command.value).inputs.map((alias) => h("option", { value: alias }, alias)));
  command.addEventListener("change", fill);
  fill();
  const submit = async (event) => {
    event.preventDefault();
    const key = `inputs.${command.value}.${input.value}.${rule.value}`;
    try {
      await api.post("/api/admin/settings", { scope: page.scope, changes: { [key]: value.value.trim() } });
      page.toast(t("saved"));
      await page.changed(key);
    } catch (error) {
      wrong.textContent = error.message;
    }
  };
  return h("form", { class: "adder", novalidate: true, onsubmit: submit }, h("div", { class: "adder-row" }, command, input, rule, value, h("button", { type: "submit", class: "ghost" }, icon("plus"), t("add"))), wrong);
}
