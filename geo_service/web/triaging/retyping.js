// The list that says what a call really is: it filters as one types, arrows move, Enter takes, Escape leaves.

import { byId, say, word } from "../queues/common.js";

const dialog = byId("retype");
const filter = byId("filter");
const list = byId("categories");
let codes = [];
let counted = new Set();
let answer = () => {};

/** Ask for one of the categories; undefined when the list was left. */
export function askCategory(from, thatCount) {
  codes = from;
  counted = new Set(thatCount);
  filter.value = "";
  filter.placeholder = say("triage.filter");
  filter.setAttribute("aria-label", say("triage.filter"));
  show();
  dialog.showModal();
  filter.focus();
  return new Promise((resolve) => {
    answer = resolve;
  });
}

function show() {
  const typed = filter.value.trim().toLowerCase();
  const found = codes.filter((code) => `${word("category", code)} ${code}`.toLowerCase().includes(typed));
  list.replaceChildren(...found.map(option));
  choose(list.firstElementChild);
}

function option(code) {
  const line = Object.assign(document.createElement("li"), { id: `category-${code}` });
  line.dataset.code = code;
  line.setAttribute("role", "option");
  line.append(word("category", code));
  if (!counted.has(code)) line.append(Object.assign(document.createElement("span"), { className: "more", textContent: say("triage.not_counted") }));
  line.addEventListener("click", () => take(line));
  return line;
}

function choose(line) {
  if (!line) return filter.removeAttribute("aria-activedescendant");
  for (const other of list.children) other.setAttribute("aria-selected", String(other === line));
  filter.setAttribute("aria-activedescendant", line.id);
  return line.scrollIntoView({ block: "nearest" });
}

function take(line) {
  if (!line) return;
  answer(line.dataset.code);
  dialog.close();
}

filter.addEventListener("input", show);
filter.addEventListener("keydown", (event) => {
  if (event.isComposing) return; // the Enter that ends a Chinese word takes nothing
  const line = list.querySelector("[aria-selected=true]");
  const keys = {
    ArrowDown: () => choose(line?.nextElementSibling ?? list.firstElementChild),
    ArrowUp: () => choose(line?.previousElementSibling ?? list.lastElementChild),
    Enter: () => take(line),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
// Not "close": it comes only after the next key, when the list may be open again.
dialog.addEventListener("cancel", () => answer(undefined));
byId("cancel").addEventListener("click", () => {
  answer(undefined);
  dialog.close();
});
