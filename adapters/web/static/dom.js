// Small helpers to build elements. Text only ever becomes text: nothing here reads markup.

/** h("button", {class: "ghost", onclick: run}, "Run"): null and false are left out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "muted") element.muted = value; // the attribute alone does not mute
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  again: "M3 8a5 5 0 1 0 1.6-3.7M3 2.5v2.6h2.6",
  attach: "M12.5 7.3 7.8 12a3 3 0 0 1-4.3-4.3l5-5a2 2 0 0 1 2.9 2.9l-5 5a1 1 0 0 1-1.5-1.5l4.4-4.4",
  back: "M9.5 3 4.5 8l5 5",
  check: "m3.5 8.5 3 3 6-7",
  clock: "M8 4.5V8l2.3 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0",
  close: "m4 4 8 8M12 4l-8 8",
  coin: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0M8 4.300v7.400M10 6c-.4-.700-1.100-1-2-1-1.200 0-2 .600-2 1.500s.800 1.300 2 1.500 2 .600 2 1.500-.800 1.500-2 1.500c-.900 0-1.600-.300-2-1",
  copy: "M5.5 5.5v-2a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-2M3.5 5.5h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1",
  dice: "M4 2.5h8A1.5 1.5 0 0 1 13.5 4v8a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.5 12V4A1.5 1.5 0 0 1 4 2.5M5.6 5.6v0M10.4 5.6v0M8 8v0M5.6 10.4v0M10.4 10.4v0",
  down: "M8 3v9.5M4 8.7l4 4 4-4",
  download: "M8 2.5v7.2M5 7l3 3 3-3M3 13h10",
  edit: "M9.8 3.8 12.2 6.2M3 13l.5-2.7 7.2-7.1a1.2 1.2 0 0 1 1.7 0l.5.5a1.2 1.2 0 0 1 0 1.7l-7.2 7.1z",
  file: "M4 2.5h5l3 3v7a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1M9 2.5v3h3",
  hash: "M6.2 2.5 4.8 13.5M11.2 2.5 9.8 13.5M3 6h10.5M2.5 10H13",
  image: "M3.5 2.5h9a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-9a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1M2.7 11.5 6 8.3l3.6 3.6 1.7-1.6 2 2M10.4 5.8v0",
  flag: "M4 14V2.500M4 3c2.500-1.200 5.500 1.200 8.500 0v6.200c-3 1.200-6-1.200-8.500 0",
  key: "M10.200 9.600a3.800 3.800 0 1 0-3.500-2.300L2.500 11.500v2h2V12H6v-1.500h1.200l1.200-1.200M10.800 5.200v0",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  moon: "M13 9.6A5.6 5.6 0 0 1 6.4 3 5.6 5.6 0 1 0 13 9.6",
  more: "M3.5 8v0M8 8v0M12.5 8v0",
  out: "M6.5 2.5h-3a1 1 0 0 0-1 1v9a1 1 0 0 0 1 1h3M6.5 8h7M10.5 5l3 3-3 3",
  person: "M8 7.800a2.700 2.700 0 1 0 0-5.400 2.700 2.700 0 0 0 0 5.400M2.800 13.500c.4-2.500 2.500-3.700 5.200-3.700s4.800 1.200 5.200 3.700",
  play: "M5 3.2v9.6L12.8 8z",
  plus: "M8 3v10M3 8h10",
  question: "M6 6.2a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.4M8 11.6v0M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0",
  reply: "M3 3.5h10a1 1 0 0 1 1 1v5.5a1 1 0 0 1-1 1H7.5L4.5 13.5V11H3a1 1 0 0 1-1-1V4.500a1 1 0 0 1 1-1",
  send: "M8 13V3.5M4 7.3l4-4 4 4",
  sliders: "M2.5 5h5M11 5h2.500M2.5 11h2.500M8.5 11h5M11 5a1.75 1.75 0 1 1-3.5 0 1.75 1.75 0 0 1 3.5 0M8.5 11a1.75 1.75 0 1 1-3.5 0 1.75 1.75 0 0 1 3.5 0",
  sound: "M2.5 6.500v3M5.25 4.500v7M8 2.500v11M10.75 5v6M13.5 7v2",
  stop: "M4.5 4.500h7v7h-7z",
  sun: "M8 5.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.600M8 1.500v1.200M8 13.300v1.200M1.5 8h1.200M13.3 8h1.200M3.4 3.400l.9.9M11.7 11.700l.9.9M12.6 3.400l-.9.9M4.3 11.700l-.9.9",
  video: "M3 4h6.500a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1M10.5 7.2 14 5v6l-3.5-2.2",
  warning: "M8 6v3M8 11.200v0M7.1 2.9 1.9 12a1 1 0 0 0 .9 1.500h10.400a1 1 0 0 0 .9-1.500L8.9 2.900a1 1 0 0 0-1.8 0",
};

/** A drawing for the eye only; what it stands for is said by the text or label beside it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

/** A button with an icon; `label` is read out, and shown where `text` is set. */
export function button(name, label, onclick, { text = false, ...props } = {}) {
  const said = text ? { title: props.title } : { "aria-label": label, title: label };
  return h(
    "button",
    { type: "button", class: text ? "ghost" : "icon-button", ...said, ...props, onclick },
    icon(name),
    text ? h("span", {}, label) : null,
  );
}

export const $ = (selector, within = document) => within.querySelector(selector);

export const replace = (element, ...children) => element.replaceChildren(...children.flat().filter(Boolean));

// -- saying things in words

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

/** Epoch seconds as an element that says the time. */
export function time(seconds) {
  const date = new Date(seconds * 1000);
  return h("time", { datetime: date.toISOString(), title: FULL.format(date) }, TIME.format(date));
}

export function day(seconds) {
  const date = new Date(seconds * 1000);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
  return days === 0 ? "Today" : days === 1 ? "Yesterday" : DAY.format(date);
}

/** 12 s, 3 min 20 s, 1 h 5 min. */
export function lasting(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const UNITS = ["B", "kB", "MB", "GB"];

export function size(bytes) {
  let unit = 0;
  while (bytes >= 1024 && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  return `${bytes >= 10 || unit === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${UNITS[unit]}`;
}

export const calm = matchMedia("(prefers-reduced-motion: reduce)");
export const narrow = matchMedia("(max-width: 760px)");

/** A random key for something that must be done once, however often it is sent. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
