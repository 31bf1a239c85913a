// What could come next in a command that is being typed. Pure: text and caret in, suggestions out.

const KEY = /(^|\s)([A-Za-z][A-Za-z0-9_-]*)[:：](?!\/\/)/g;

/**
 * Where the caret is and what fits there:
 * {stage: "command" | "option" | "value", model, option, items, from, to}; null where it is no command.
 * An item: {label, insert, help, detail, required, pick}; it replaces the text from `from` to `to`.
 * `sure`: the first item is what Enter takes.
 */
export function complete(text, caret, commands, files = []) {
  const before = text.slice(0, caret);
  const naming = /^\s*\/(\S*)$/.exec(before);
  if (naming) return named(naming[1].toLowerCase(), before.indexOf("/"), caret, commands);
  const model = modelOf(text, commands);
  if (!model) return null;
  const { option, value, used } = spotOf(text, before, model);
  return (option && valued(option, value, caret, files)) ?? optioned(model, option, used, before, caret);
}

export function modelOf(text, commands) {
  const word = /^\s*\/(\S+)/.exec(text);
  return word ? (commands.get(word[1].toLowerCase()) ?? null) : null;
}

// -- the command's name

function named(word, from, to, commands) {
  const rank = (model) => (model.command.startsWith(word) ? 0 : `${model.title} ${model.summary}`.toLowerCase().includes(word) ? 1 : 2);
  const items = [...commands.values()]
    .filter((model) => rank(model) < 2)
    .sort((one, other) => rank(one) - rank(other))
    .map((model) => ({ label: `/${model.command}`, insert: `/${model.command} `, help: model.summary, detail: model.formats.join(", "), icon: model.kind }));
  return { stage: "command", model: null, option: null, items, from, to, sure: true };
}

// -- an option's value

function valued(option, value, caret, files) {
  const typed = value.trimStart();
  const choices = choicesOf(option, files);
  if (!choices.length) return null;
  const wanted = typed.trimEnd().toLowerCase();
  if (/\s$/.test(typed) && choices.some((one) => one.label.toLowerCase() === wanted)) return null;
  const start = choices.filter((one) => one.label.toLowerCase().startsWith(wanted));
  const within = choices.filter((one) => !start.includes(one) && one.label.toLowerCase().includes(wanted));
  const items = [...start, ...within];
  const whole = items.length > 0 && items[0].label.toLowerCase() === wanted;
  if (!items.length) return null;
  return { stage: "value", option, items, from: caret - typed.length, to: caret, sure: wanted !== "" && !whole };
}

function choicesOf(option, files) {
  if (option.type === "boolean") return ["yes", "no"].map((label) => ({ label, insert: `${label} `, detail: isDefault(option, label) }));
  if (option.type === "file" || option.type === "files") {
    const there = files.map((file) => ({ label: file.name, insert: `${quoted(file.name)} `, detail: "attached" }));
    return [...there, { label: "Choose a file…", insert: "", pick: true, detail: option.accepts.join(", ") }];
  }
  return (option.choices ?? []).map((choice) => ({ label: String(choice), insert: `${choice} `, detail: isDefault(option, choice) }));
}

const isDefault = (option, value) =>
  String(option.type === "boolean" ? (option.default ? "yes" : "no") : option.default) === String(value) ? "default" : "";

const quoted = (name) => (/\s/.test(name) ? `"${name}"` : name);

// -- an option's name

function optioned(model, option, used, before, caret) {
  const word = /(?<=\s)[A-Za-z0-9_-]*$/.exec(before)?.[0] ?? "";
  const left = model.inputs.filter((input) => !used.has(input.alias) || input.type === "files");
  const isFirst = !option && model.inputs.some((input) => input.main) && /^\s*\/\S+\s*$/.test(before);
  const fits = (input) => input.alias.startsWith(word.toLowerCase()) || input.name.startsWith(word.toLowerCase());
  const fitting = word ? left.filter(fits) : left;
  const whole = !fitting.length;
  const items = (whole ? left : fitting).toSorted((one, other) => weight(one) - weight(other)).map(asItem);
  const from = whole ? caret : caret - word.length;
  return { stage: "option", model, option: option ?? (isFirst ? mainOf(model) : null) ?? inMain(model, before), items, from, to: caret, sure: false };
}

const mainOf = (model) => model.inputs.find((input) => input.main) ?? null;
const inMain = (model, before) => (/^\s*\/\S+\s+\S/.test(before) && !KEY_ANYWHERE(before) ? mainOf(model) : null);
const KEY_ANYWHERE = (text) => new RegExp(KEY).test(text);
const weight = (input) => (input.required ? 0 : input.advanced ? 2 : 1);

const asItem = (input) => ({
  label: input.alias,
  insert: `${input.alias}:`,
  help: input.help,
  detail: takes(input),
  required: input.required,
});

/** What an option takes, in a few words: "1–50 · 20". */
export function takes(input, sep = " · ") {
  const byDefault = input.type === "boolean" ? (input.default ? "yes" : "no") : input.default;
  const shown = byDefault === undefined || byDefault === "" || String(byDefault).length > 24 ? null : `default ${byDefault}`;
  return [range(input), shown].filter(Boolean).join(sep);
}

const HUGE = 2 ** 31 - 2;

function range({ type, minimum, maximum, choices, step, step_from: start, accepts, max_items: most }) {
  if (choices) return choices.length > 4 ? `${choices.length} choices` : choices.join(", ");
  if (type === "boolean") return "yes or no";
  if (type === "file") return listed(accepts);
  if (type === "files") return `${listed(accepts)}, up to ${most}`;
  if (type === "text") return "text";
  const steps = step ? `, every ${step}${start ? ` from ${start}` : ""}` : "";
  const least = minimum ?? null;
  if (least !== null && maximum !== undefined && maximum < HUGE) return `${least}–${maximum}${steps}`;
  return (least !== null ? `${least} or more` : "a number") + steps;
}

const KINDS = { image: "picture", video: "film", audio: "sound" };
const listed = (accepts) => accepts.map((kind) => KINDS[kind]).join(" or ");

// -- where the caret stands

/** The option whose value the caret is in, what is typed of it, and which options are used already. */
function spotOf(text, before, model) {
  const byKey = new Map(model.inputs.flatMap((input) => [[input.alias, input], [input.name.toLowerCase(), input]]));
  const marks = marksIn(text, byKey);
  const last = marks.filter((mark) => mark.end <= before.length).at(-1);
  const used = new Set(marks.map((mark) => mark.input.alias));
  const flagOf = (word) => (byKey.get(word.toLowerCase())?.type === "boolean" ? byKey.get(word.toLowerCase()) : null);
  for (const word of text.split(/\s+/)) if (flagOf(word)) used.add(flagOf(word).alias);
  // Text in front of all keys is the main prompt.
  const leading = text.slice(0, marks[0]?.start).trim().split(/\s+/).slice(1);
  if (leading.some((word) => !flagOf(word)) && mainOf(model)) used.add(mainOf(model).alias);
  if (!last) return { option: null, value: "", used };
  const value = before.slice(last.end);
  return over(last.input, value) ? { option: null, value: "", used } : { option: last.input, value, used };
}

/** Keys that the model has, outside quotes. */
function marksIn(text, byKey) {
  const marks = [];
  let quotedTo = 0;
  for (const match of text.matchAll(KEY)) {
    const start = match.index + match[1].length;
    const input = byKey.get(match[2].toLowerCase().replaceAll("-", "_"));
    if (!input || start < quotedTo) continue;
    const end = match.index + match[0].length;
    marks.push({ input, start, end });
    const quote = /^\s*(["“'«])/.exec(text.slice(end));
    if (quote) {
      const closing = { '"': '"', "“": "”", "'": "'", "«": "»" }[quote[1]];
      const closes = text.indexOf(closing, end + quote[0].length);
      quotedTo = closes < 0 ? text.length : closes;
    }
  }
  return marks;
}

/** Whether the value is complete: numbers and yes-or-no are one word. */
const over = (input, value) => ["integer", "number", "boolean"].includes(input.type) && /^\s*\S+\s/.test(value);
