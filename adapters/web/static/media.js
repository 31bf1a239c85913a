// What was made, to be watched, looked at and heard.

import { button, calm, h, icon, replace, size } from "./dom.js";

const GONE = "This file is no longer kept.";

/** The files of a result. `small`: a preview in the channel. */
export function gallery(media, { small = false } = {}) {
  const sound = media.find((one) => one.kind === "audio");
  const picture = media.find((one) => one.kind === "image");
  if (sound && picture) {
    const others = media.filter((one) => one !== sound && one !== picture);
    return h("div", { class: "gallery" }, spectrogram(sound, picture, small), others.map((one) => figure(one, media, small)));
  }
  const classes = ["gallery", small && "small", media.length > 1 && "several"].filter(Boolean).join(" ");
  return h("div", { class: classes }, media.map((one) => figure(one, media, small)));
}

function figure(medium, all, small) {
  if (medium.kind === "video") return film(medium, small);
  if (medium.kind === "audio") return sound(medium);
  return picture(medium, all.filter((one) => one.kind === "image"));
}

/** Room is kept before the file is there, so that nothing jumps. */
function frame(medium, ...children) {
  const element = h("figure", { class: `frame frame-${medium.kind}` }, children);
  if (medium.width && medium.height) {
    element.style.setProperty("--ratio", `${medium.width} / ${medium.height}`);
    element.style.setProperty("--width", `${medium.width}px`);
    element.style.setProperty("--shape", medium.width / medium.height);
  }
  return element;
}

function unavailable(element) {
  element.replaceWith(h("p", { class: "gone" }, icon("warning"), GONE));
}

// -- films

function film(medium, small) {
  const video = h("video", {
    src: medium.url,
    controls: !small,
    loop: true,
    muted: true,
    autoplay: !calm.matches,
    playsinline: true,
    preload: "metadata",
    "aria-label": medium.alt,
    onerror: () => unavailable(video),
  });
  if (calm.matches && small) video.controls = true;
  watchers.observe(video);
  return frame(medium, video);
}

/** A film that nobody sees does not play. */
const watchers = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) {
      target.dataset.was = target.paused ? "paused" : "playing";
      target.pause();
    } else if (target.dataset.was === "playing" || (!target.dataset.was && target.autoplay)) {
      target.play().catch(() => {});
    }
  }
});

// -- pictures

function picture(medium, all) {
  const image = h("img", {
    src: medium.url,
    alt: medium.alt,
    width: medium.width,
    height: medium.height,
    decoding: "async",
    onerror: () => unavailable(image.closest("figure") ?? image),
  });
  const open = h(
    "button",
    { type: "button", class: "enlarge", "aria-label": `Enlarge: ${medium.alt}`, onclick: () => enlarge(all, all.indexOf(medium)) },
    image,
  );
  const save = all.length > 1 && h("a", { class: "icon-button save", href: `${medium.url}?download`, download: medium.name, "aria-label": `Save ${medium.name}`, title: "Save" }, icon("download"));
  if (medium.mime === "image/gif" && calm.matches) return frame(medium, open, still(image));
  return frame(medium, open, save);
}

/** The first picture of an animation, for people who have asked for less motion, and a button that plays it. */
function still(image) {
  const canvas = h("canvas", { class: "still", "aria-hidden": "true" });
  const play = h("button", { type: "button", class: "play" }, icon("play"), h("span", {}, "Play"));
  play.addEventListener("click", () => {
    canvas.remove();
    play.remove();
  });
  image.addEventListener("load", () => {
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    canvas.getContext("2d").drawImage(image, 0, 0);
  });
  const cover = document.createDocumentFragment();
  cover.append(canvas, play);
  return cover;
}

/** One picture of several, as large as the window. */
export function enlarge(pictures, at) {
  const image = h("img", { alt: "" });
  const caption = h("figcaption", {});
  const download = h("a", { class: "icon-button", "aria-label": "Download", title: "Download" }, icon("download"));
  const show = (to) => {
    at = (to + pictures.length) % pictures.length;
    image.src = pictures[at].url;
    image.alt = pictures[at].alt;
    caption.textContent = pictures.length > 1 ? `${at + 1} of ${pictures.length} · ${pictures[at].alt}` : pictures[at].alt;
    download.href = `${pictures[at].url}?download`;
    download.download = pictures[at].name;
  };
  const step = (name, label, by) => pictures.length > 1 && button("back", label, () => show(at + by), { class: `icon-button ${name}` });
  const dialog = h(
    "dialog",
    { class: "viewer", "aria-label": "Picture" },
    h("div", { class: "viewer-bar" }, download, button("close", "Close", () => dialog.close())),
    step("previous", "Previous", -1),
    h("figure", {}, image, caption),
    step("next", "Next", 1),
  );
  dialog.addEventListener("click", (event) => (event.target === dialog || event.target.tagName === "FIGURE") && dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") show(at + 1);
    if (event.key === "ArrowLeft") show(at - 1);
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  show(at);
  dialog.showModal();
}

// -- sounds

function sound(medium) {
  const audio = h("audio", { src: medium.url, controls: true, preload: "metadata", "aria-label": medium.alt });
  audio.addEventListener("error", () => unavailable(audio));
  return frame({ ...medium, width: null }, audio);
}

/** A sound over its spectrogram; a line shows where it is, a click goes there. */
function spectrogram(medium, picture, small) {
  const audio = h("audio", { src: medium.url, controls: true, preload: "metadata", "aria-label": medium.alt });
  const line = h("div", { class: "playhead" });
  const image = h("img", { src: picture.url, alt: picture.alt });
  const area = h("div", { class: "spectrogram" }, image, line);
  const move = () => {
    line.style.left = `${audio.duration ? (audio.currentTime / audio.duration) * 100 : 0}%`;
    if (!audio.paused) requestAnimationFrame(move);
  };
  audio.addEventListener("play", move);
  audio.addEventListener("timeupdate", move);
  area.addEventListener("click", (event) => {
    const box = area.getBoundingClientRect();
    if (audio.duration) audio.currentTime = ((event.clientX - box.left) / box.width) * audio.duration;
    audio.play().catch(() => {});
  });
  audio.addEventListener("error", () => unavailable(audio));
  return h("figure", { class: `sound${small ? " small" : ""}` }, area, audio);
}

// -- what somebody attached

const PICTURES = /\.(png|jpe?g|webp|gif|avif|bmp)$/i;
const FILMS = /\.(mp4|m4v|mov|webm|ogv)$/i;
const SOUNDS = /\.(mp3|m4a|wav|ogg|oga|opus|flac|aac)$/i;

export const kindOf = (name) => (PICTURES.test(name) ? "image" : FILMS.test(name) ? "video" : SOUNDS.test(name) ? "audio" : "file");

/** Files by name only: small, and enlarged or saved by a click. */
export function attachments(files) {
  if (!files?.length) return null;
  const pictures = files.filter((file) => kindOf(file.name) === "image").map((file) => ({ ...file, alt: file.name }));
  return h("ul", { class: "attachments", "aria-label": "Attached files" }, files.map((file) => h("li", {}, attachment(file, pictures))));
}

function attachment(file, pictures) {
  const at = pictures.findIndex((picture) => picture.url === file.url);
  if (at < 0) {
    return h("a", { class: "attachment", href: `${file.url}?download`, download: file.name }, icon(iconOf(file.name)), h("span", {}, file.name));
  }
  const image = h("img", { src: file.url, alt: "", loading: "lazy" });
  const open = h("button", { type: "button", class: "attachment", title: file.name, onclick: () => enlarge(pictures, at) }, image, h("span", {}, file.name));
  image.addEventListener("error", () => replace(open, icon("image"), h("span", {}, `${file.name} (no longer kept)`)));
  return open;
}

export const iconOf = (name) => ({ image: "image", video: "video", audio: "sound", file: "file" })[kindOf(name)];

/** Links that save the files; pictures of which there are several have one each of their own. */
export const downloads = (media) =>
  (media.filter((one) => one.kind === "image").length > 1 ? media.filter((one) => one.kind !== "image") : media).map((one) =>
    h(
      "a",
      { class: "ghost", href: `${one.url}?download`, download: one.name, title: `${one.name}, ${size(one.size)}` },
      icon("download"),
      h("span", {}, media.length > 1 ? `Save ${one.part || one.name}` : "Save"),
      h("span", { class: "faint" }, size(one.size)),
    ),
  );
