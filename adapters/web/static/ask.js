// Questions that are asked before something is done.

import * as api from "./api.js";
import { h, replace } from "./dom.js";

/** Resolves to whether it is to be done. `more` stands between the question and the buttons. */
export function sure(question, yes, no, more = null) {
  return new Promise((done) => {
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-question" });
    const answer = (said) => () => dialog.close(said);
    replace(
      dialog,
      h("p", { id: "ask-question" }, question),
      more,
      h("footer", {}, h("button", { type: "button", class: "plain", onclick: answer("") }, no), h("button", { type: "button", class: "primary", onclick: answer("yes") }, yes)),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    (more ?? dialog.querySelector(".primary")).focus();
  });
}

/** Do what `request` does; where the server asks whether its cost is agreed to, ask. */
export async function agreed(request) {
  try {
    return await request();
  } catch (error) {
    if (!error.confirm) throw error;
    const { token, yes, no, declined } = error.confirm;
    if (await sure(error.message, yes, no)) return api.confirm(token);
    throw new api.Refusal(declined);
  }
}
