// A command as a form, made from its model: for those who would rather not type.

import * as api from "./api.js";
import { takes } from "./complete.js";
import { button, h, icon, replace } from "./dom.js";
import { iconOf, kindOf } from "./media.js";

const ACCEPT = { image: "image/*", video: "video/*", audio: "audio/*" };
const SLIDER = 1000;

/** Opens over the page, filled from what `composer` holds. */
export async function openForm(composer, commands) {
  const read = composer.text.trim().startsWith("/") || composer.files.length ? await readDraft(composer) : null;
  const dialog = h("dialog", { class: "form", "aria-labelledby": "form-title" });
  dialog.addEventListener("close", () => {
    dialog.remove();
    composer.focus();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  const model = read?.command && commands.get(read.command);
  if (model) new Form(dialog, model, composer, commands, read).show();
  else choose(dialog, composer, commands);
  dialog.showModal();
  dialog.querySelector("textarea, .choices button, input")?.focus();
}

const readDraft = (composer) => api.post("/api/read", { text: composer.text, files: composer.attached() }).catch(() => null);

/** Which command? */
function choose(dialog, composer, commands) {
  const pick = (model) => {
    new Form(dialog, model, composer, commands, null).show();
    dialog.querySelector("form textarea, form input")?.focus();
  };
  const rows = [...commands.values()].map((model) =>
    h(
      "button",
      { type: "button", onclick: () => pick(model) },
      icon({ image: "image", video: "video", audio: "sound" }[model.kind]),
      h("span", { class: "choice-title" }, model.title),
      h("span", { class: "faint" }, `/${model.command}`),
      h("span", { class: "help" }, model.summary),
    ),
  );
  replace(dialog, top("What shall it be?", null, dialog), h("div", { class: "form-scroll choices" }, rows));
}

const top = (title, summary, dialog, back = null) =>
  h(
    "header",
    { class: "form-head" },
    back && button("back", "Other commands", back),
    h("div", {}, h("h2", { id: "form-title" }, title), summary && h("p", { class: "faint" }, summary)),
    button("close", "Close", () => dialog.close()),
  );

class Form {
  constructor(dialog, model, composer, commands, read) {
    Object.assign(this, { dialog, model, composer, commands, read });
    this.fields = new Map(model.inputs.map((input) => [input.alias, make(input)]));
  }

  show() {
    const plain = this.model.inputs.filter((input) => !input.advanced);
    const advanced = this.model.inputs.filter((input) => input.advanced);
    const of = (inputs) => inputs.toSorted((one, other) => Boolean(other.required) - Boolean(one.required)).map((input) => this.fields.get(input.alias).element);
    this.fold = advanced.length ? h("details", { class: "fold" }, h("summary", {}, `More options (${advanced.length})`), h("div", { class: "fields" }, of(advanced))) : null;
    this.alert = h("div", { class: "mistakes", role: "alert" });
    this.run = h("button", { type: "submit", class: "primary" }, "Run");
    const form = h(
      "form",
      { novalidate: true, onsubmit: (event) => this.#submit(event) },
      h("div", { class: "form-scroll" }, this.model.notes && h("p", { class: "notes" }, this.model.notes), h("div", { class: "fields" }, of(plain)), this.fold),
      this.alert,
      h("footer", { class: "form-foot" }, h("button", { type: "button", class: "plain", onclick: () => this.dialog.close() }, "Cancel"), this.run),
    );
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    const back = () => choose(this.dialog, this.composer, this.commands);
    replace(this.dialog, top(`/${this.model.command}`, this.model.summary, this.dialog, back), form);
    this.#fill();
  }

  #fill() {
    for (const [alias, value] of this.read?.options ?? []) this.fields.get(alias)?.set(value);
    if (this.read) this.#tell(this.read.problems.filter((problem) => problem.code !== "missing"));
  }

  async #submit(event) {
    event.preventDefault();
    if (this.run.disabled) return;
    const waiting = [...this.fields.values()].some((field) => field.busy?.());
    if (waiting) return replace(this.alert, "A file is still on its way.");
    const options = [...this.fields].flatMap(([alias, field]) => field.values().map((value) => [alias, value]));
    this.run.disabled = true;
    try {
      await this.composer.send({ command: this.model.command, options });
      this.dialog.close();
    } catch (error) {
      this.#tell(error.problems ?? [], error.message);
    } finally {
      this.run.disabled = false;
    }
    return null;
  }

  /** Each mistake at its own field; what belongs to none, above the buttons. */
  #tell(problems, message = "") {
    const loose = [];
    for (const field of this.fields.values()) field.wrong("");
    for (const { option, text } of problems) {
      const field = this.fields.get(option);
      if (field) field.wrong(text);
      else loose.push(text);
    }
    if (!problems.length && message) loose.push(message);
    const first = this.dialog.querySelector("[aria-invalid=true]");
    if (first?.closest("details")) this.fold.open = true;
    const count = problems.length - loose.length;
    const summary = count > 1 ? `${count} things to mend above.` : count === 1 ? "One thing to mend above." : "";
    replace(this.alert, ...[...loose, summary].filter(Boolean).map((line) => h("p", {}, line)));
    first?.focus();
  }
}

// -- fields: {element, values() -> what to send, set(value), wrong(text)}

function make(input) {
  if (input.type === "file" || input.type === "files") return fileField(input);
  if (input.type === "boolean") return switchField(input);
  if (input.choices) return choiceField(input);
  if (input.words) return wordsField(input);
  if (input.type === "text") return textField(input);
  return numberField(input);
}

/** The frame of a field: label, help, the mistake. `control` is what has the focus. */
function field(input, control, ...more) {
  const id = `field-${input.alias}`;
  const error = h("p", { class: "wrong", id: `${id}-wrong` });
  control.id = id;
  control.setAttribute("aria-describedby", `${id}-help ${id}-wrong`);
  if (input.required) control.setAttribute("aria-required", "true");
  const hinted = ["integer", "number", "file", "files"].includes(input.type) && !input.choices; // the others show it
  const element = h(
    "div",
    { class: `field field-${input.type}` },
    h("label", { for: id }, input.alias, input.required && h("span", { class: "tag" }, "required")),
    h("p", { class: "help", id: `${id}-help` }, input.help, hinted && h("span", { class: "faint" }, ` · ${takes(input)}`)),
    more.length ? more : control,
    error,
  );
  const wrong = (text) => {
    error.textContent = text;
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  element.addEventListener("input", () => wrong(""));
  return { element, wrong };
}

const given = (text) => (text.trim() === "" ? [] : [text.trim()]);

function textField(input) {
  const area = h("textarea", { rows: input.main || input.required ? "3" : "2", maxlength: input.max_length, placeholder: input.default || "" });
  return { ...field(input, area), values: () => given(area.value), set: (value) => (area.value = value) };
}

function numberField(input) {
  const number = h("input", { type: "number", inputmode: input.type === "integer" ? "numeric" : "decimal", step: "any", placeholder: input.default ?? "", autocomplete: "off" });
  const set = (value) => {
    number.value = value;
    if (number.value === "" && value !== "") number.placeholder = String(value);
    if (range) range.value = value;
  };
  const range = slider(input, (value) => (number.value = value));
  number.addEventListener("input", () => range && (range.value = number.value === "" ? (input.default ?? input.minimum) : number.value));
  const control = range ? [h("div", { class: "ranged" }, range, number)] : [];
  return { ...field(input, number, ...control), values: () => given(number.value), set };
}

/** A slider beside the number, where both ends are near enough to be found. */
function slider(input, moved) {
  const { minimum, maximum, type, default: byDefault } = input;
  if (minimum === undefined || maximum === undefined || maximum - minimum > SLIDER) return null;
  const step = input.step ?? (type === "integer" ? 1 : (maximum - minimum) / 100);
  return h("input", {
    type: "range",
    min: minimum,
    max: maximum,
    step,
    value: byDefault ?? minimum,
    tabindex: "-1",
    "aria-hidden": "true",
    oninput: (event) => moved(Number(Number(event.target.value).toFixed(4))),
  });
}

function switchField(input) {
  const box = h("input", { type: "checkbox", role: "switch" });
  box.checked = Boolean(input.default);
  const values = () => (box.checked === Boolean(input.default) ? [] : [box.checked]);
  const set = (value) => (box.checked = value === true || /^(yes|y|true|t|on|1)$/i.test(String(value).trim()));
  return { ...field(input, box), values, set };
}

function choiceField(input) {
  const byDefault = input.default === undefined ? "" : String(input.default);
  const blank = byDefault === "" ? [h("option", { value: "" }, "–")] : [];
  const options = input.choices.map((choice) => h("option", { value: choice }, String(choice) === byDefault ? `${choice} (default)` : choice));
  const select = h("select", {}, blank, options);
  select.value = byDefault;
  const set = (value) => {
    const match = input.choices.find((choice) => String(choice).toLowerCase() === String(value).trim().toLowerCase());
    if (match === undefined) select.append(h("option", { value }, `${value} (?)`));
    select.value = match ?? value;
  };
  return { ...field(input, select), values: () => (select.value === byDefault ? [] : [select.value]), set };
}

function wordsField(input) {
  const byDefault = new Set(String(input.default ?? "").split(","));
  const boxes = input.words.map((word) => h("input", { type: "checkbox", value: word }));
  for (const box of boxes) box.checked = byDefault.has(box.value);
  const group = h("div", { class: "words", role: "group", "aria-label": input.alias, tabindex: "-1" }, boxes.map((box) => h("label", {}, box, h("span", {}, box.value))));
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value).join(",");
  const set = (value) => {
    const wanted = new Set(String(value).split(",").map((word) => word.trim().toLowerCase()));
    for (const box of boxes) box.checked = wanted.has(box.value.toLowerCase());
  };
  return { ...field(input, group), values: () => (chosen() === String(input.default ?? "") ? [] : given(chosen())), set };
}

function fileField(input) {
  const most = input.max_items ?? 1;
  let files = [];
  const picker = h("input", { type: "file", accept: input.accepts.map((kind) => ACCEPT[kind]).join(","), multiple: most > 1, class: "unseen" });
  const chips = h("ul", { class: "chips" });
  const link = h("input", { type: "url", placeholder: "or a link: https://…", "aria-label": `${input.alias}, as a link` });
  const choose = h("label", { class: "choose", for: `field-${input.alias}` }, icon("attach"), most > 1 ? "Choose files" : "Choose a file", h("span", { class: "faint" }, " or drop here"));
  const area = h("div", { class: "file-drop" }, chips, h("div", { class: "file-ways" }, picker, choose, link));
  const made = field(input, picker, area);
  const draw = () => replace(chips, ...files.map(chip));
  const chip = (file) =>
    h(
      "li",
      { class: `chip${file.error ? " failed" : file.digest ? "" : " sending"}` },
      kindOf(file.name) === "image" ? h("img", { src: file.url, alt: "" }) : icon(iconOf(file.name)),
      h("span", { class: "chip-name" }, file.name),
      file.error && h("span", { class: "wrong" }, file.error),
      button("close", `Remove ${file.name}`, () => {
        files = files.filter((one) => one !== file);
        draw();
      }),
    );
  const take = async (file) => {
    const entry = { name: file.name, url: URL.createObjectURL(file) };
    files = [...files, entry].slice(-most);
    made.wrong("");
    draw();
    try {
      const { digest, name } = await api.upload(file, () => {});
      Object.assign(entry, { digest, name });
    } catch (error) {
      entry.error = error.message;
    }
    draw();
  };
  picker.addEventListener("change", () => {
    for (const file of picker.files) take(file);
    picker.value = "";
  });
  area.addEventListener("dragover", (event) => event.preventDefault());
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    for (const file of event.dataTransfer.files) take(file);
  });
  const values = () => [...files.filter((file) => file.digest).map(({ digest, name }) => ({ digest, name })), ...given(link.value)];
  const set = (value) => {
    if (value?.digest) files = [...files, value].slice(-most);
    else link.value = value;
    draw();
  };
  return { ...made, values, set, busy: () => files.some((file) => !file.digest && !file.error) };
}
