// Dialogs, and short notes that come and go.

import { h, sentence, write } from "./dom.js";
import { t } from "./words.js";

const NOTE_MS = 4000;
const FAULT_MS = 12000;

// `buttons`: [{ label, value, class }]. Resolves with the pressed one's value, or null for Escape. The dialog is `.dialog`.
export function dialog(title, body, buttons = [], { focus } = {}) {
  const id = `dialog-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
  const before = document.activeElement;
  const actions = buttons.map((one) =>
    h("button", { type: "button", class: one.class ?? "", onclick: () => element.close(String(buttons.indexOf(one))) }, one.label),
  );
  const element = h(
    "dialog",
    { class: "dialog", "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), h("button", { type: "button", class: "ghost small close", "aria-label": t("Close"), onclick: () => element.close("") }, "✕")),
    h("div", { class: "dialog-body" }, body),
    actions.length ? h("footer", { class: "row" }, actions) : null,
  );
  document.body.append(element);
  element.showModal();
  (typeof focus === "number" ? actions[focus] : element.querySelector("[autofocus]"))?.focus();
  const answered = new Promise((done) => {
    element.addEventListener("close", () => {
      element.remove();
      giveBack(before);
      done(element.returnValue === "" ? null : buttons[Number(element.returnValue)].value);
    });
  });
  return Object.assign(answered, { dialog: element, close: () => element.close("") });
}

// Who asked may still be at work, and takes no focus until it is done.
function giveBack(element) {
  if (!element?.isConnected) return;
  element.focus?.();
  if (!element.disabled) return;
  const done = new MutationObserver(() => {
    done.disconnect();
    if (document.activeElement === document.body) element.focus();
  });
  done.observe(element, { attributeFilter: ["disabled"] });
}

// Whether the user agrees. Nothing dangerous has the focus at first.
export function confirm({ title, words = "", yes = t("Yes"), no = t("Cancel"), danger = false }) {
  const body = words ? h("p", {}, words) : "";
  const buttons = [
    { label: no, value: false, class: "ghost" },
    { label: yes, value: true, class: danger ? "danger" : "main" },
  ];
  return dialog(title, body, buttons, { focus: danger ? 0 : 1 }).then(Boolean);
}

export function note(words, hint = "") {
  show(words, hint, "note", NOTE_MS);
  write(document.getElementById("said"), [words, hint].filter(Boolean).join(". "));
}

// What went wrong, and what to do.
export function fault(error) {
  show(sentence(error?.message ?? error), error?.hint ? t("Try: {hint}", { hint: error.hint }) : "", "fault", FAULT_MS);
}

function show(words, hint, kind, lasting) {
  const box = document.getElementById("toasts");
  for (const other of [...box.children]) if (other.dataset.words === words) other.remove();
  const close = h("button", { type: "button", class: "ghost small", "aria-label": t("Dismiss"), onclick: () => toast.remove() }, "✕");
  const toast = h(
    "div",
    { class: `toast ${kind}`, role: kind === "fault" ? "alert" : undefined, dataset: { words } },
    h("div", {}, h("p", {}, words), hint ? h("p", { class: "quiet" }, hint) : null),
    close,
  );
  box.append(toast);
  while (box.children.length > 4) box.firstElementChild.remove();
  const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, 1500) : toast.remove());
  setTimeout(leave, lasting);
}
