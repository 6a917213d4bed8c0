// The page of tasks: what has to be done by when, what was looked at, and what came of it beside what was expected.
// Every text is put in as text, never as HTML.

import { ask, byId, complain, keep, learn, put, say, signedBy, speak, translate, word } from "../queues/common.js";
import { difference, expectation } from "./chart.js";

const PAGE = 20;
const STATES = ["live", "any", "open", "acknowledged", "done", "reopened", "verified", "cancelled"];

const filters = byId("filters");
let shown = 0;

const percent = (share) => `${Math.round(share * 100)} %`;
const round = (number) => String(Math.round(number * 10) / 10).replace("-", "−");
const signed = (number) => (number > 0 ? `+${round(number)}` : round(number));
const moment = (at) => at.replace("T", " ").slice(0, 16);

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function marks(task) {
  const found = [made("span", { className: "mark" }, word("task_state", task.state))];
  if (task.due_at) {
    const what = word("task_due", task.state);
    const days = task.days_overdue;
    const told = task.is_overdue ? say("task.late", { days, what }) : say("task.due", { at: moment(task.due_at), what });
    found.push(made("span", { className: task.is_overdue ? "mark late" : "mark" }, told));
  }
  const role = [word("task_role", task.owner_role), task.owner_name || task.owner_area].filter(Boolean).join(" ");
  found.push(made("span", { className: "mark" }, say("task.step", { n: task.step + 1, role })));
  if (task.is_black) found.push(made("span", { className: "mark black" }, say("task.black")));
  return found;
}

function facts(task) {
  const opened = say("task.opened", { at: moment(task.opened_at), n: task.count });
  const kind = task.zone_class ? word("class", task.zone_class) : word("kind", task.zone_kind);
  return [say("task.of_month", { month: task.month }), kind, word("task_cause", task.cause), opened].join(" · ");
}

function expected({ frozen }) {
  if (frozen?.mean === undefined) return say("task.unknown_expected");
  const { month, mean, low, high, chance_down: chance } = frozen;
  return say("task.expected", { month, mean: round(mean), low, high, chance: percent(chance) });
}

const verdict = (code) => say(`task_effect.${{ "-1": "fewer", 0: "same", 1: "more" }[code]}`);

function effect({ effect: came, frozen }) {
  if (!came) return "";
  const told = { month: frozen.month, observed: came.observed, expected: round(came.expected), verdict: verdict(came.verdict) };
  const chance = { difference: signed(came.difference), low: signed(came.difference_low), high: signed(came.difference_high) };
  const key = came.share < 1 ? "so_far" : "one";
  const lines = [say(`task_effect.${key}`, { ...told, ...chance, share: percent(came.share) })];
  const beside = came.displacement;
  if (beside && came.share === 1) {
    const [estimate, low, high] = [beside.estimate, beside.low, beside.high].map(signed);
    lines.push(say("task_effect.displaced", { n: beside.places, estimate, low, high }));
  }
  const fall = came.smallest_visible_fall;
  lines.push(fall === null ? say("task_effect.little") : say("task_effect.visible", { n: Math.ceil(fall) }));
  return lines.join("\n");
}

function titled(titles) {
  return titles[document.documentElement.lang.slice(0, 2)] ?? titles.en;
}

function asked(item, disabled) {
  const row = made("fieldset", { disabled }, made("span", { className: "title" }, titled(item.title)));
  row.dataset.item = item.id;
  if (item.part) {
    for (const name of [item.part, item.whole].filter(Boolean)) {
      const input = made("input", { type: "number", name, min: 0, step: 1, value: item.answer[name] ?? "" });
      row.append(made("label", {}, titled(item.numbers[name]), " ", input));
    }
  } else {
    for (const [value, told] of [["true", say("task.yes")], ["false", say("task.no")]]) {
      const checked = String(item.answer.done) === value;
      row.append(made("label", {}, made("input", { type: "radio", name: item.id, value, checked }), " ", told));
    }
  }
  const needed = item.needed === null ? "" : ` (${say("task.needed", { n: item.needed })})`;
  row.append(made("span", { className: `verdict ${item.verdict}` }, word("task", item.verdict) + needed));
  return row;
}

function answers(form) {
  const found = {};
  for (const row of form.querySelectorAll("[data-item]")) {
    const chosen = row.querySelector("[type=radio]:checked");
    const numbers = [...row.querySelectorAll("[type=number]")].filter((input) => input.value !== "");
    if (chosen) found[row.dataset.item] = { done: chosen.value === "true" };
    if (numbers.length) found[row.dataset.item] = Object.fromEntries(numbers.map((input) => [input.name, Number(input.value)]));
  }
  if (!Object.keys(found).length) throw new Error(say("task.answer_first"));
  return found;
}

function said(form) {
  const links = form.elements.links.value.split(/\s+/).filter(Boolean);
  return { signed_by: signedBy(), note: form.elements.note.value.trim(), links };
}

function happened(event) {
  const by = event.signed_by || say("task.service");
  const line = made("li", {}, `${moment(event.at)} ${word("task_action", event.action)} · ${by}`);
  if (event.note) line.append(made("span", { className: "note" }, event.note));
  for (const link of event.links) {
    // Only web addresses are links; a reference to a file is a text.
    const is_web = /^https?:\/\//.test(link);
    line.append(" ", is_web ? made("a", { href: link, rel: "noopener noreferrer", target: "_blank" }, link) : link);
  }
  return line;
}

function checklist(article, task) {
  const number = (verdict) => task.checklist.filter((item) => item.verdict === verdict).length;
  const [met, short, left] = ["met", "short", "unanswered"].map(number);
  const details = article.querySelector(".looked-at");
  const form = details.querySelector("form");
  const closed = !task.possible.includes("checklist");
  details.querySelector("summary").textContent = say("task.looked_at", { met, short, left });
  details.querySelector(".items").append(...task.checklist.map((item) => asked(item, closed)));
  details.querySelector(".buttons").hidden = closed;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(article, task, "checklist", () => ({ signed_by: signedBy(), answers: answers(form) }));
  });
}

function actions(article, task) {
  const form = article.querySelector(".say");
  form.addEventListener("submit", (event) => event.preventDefault());
  const wanted = task.possible.filter((action) => action !== "checklist");
  const buttons = wanted.map((action, i) => {
    const button = made("button", { type: i ? "button" : "submit" }, word("task_action", action));
    button.addEventListener("click", () => act(article, task, action, () => {
      const body = said(form);
      if (action === "comment" && !body.note && !body.links.length) throw new Error(say("task.say_something"));
      return action === "escalate" ? { ...body, step: task.step + 1 } : body;
    }));
    return button;
  });
  form.querySelector(".actions").append(...buttons);
}

function card(task) {
  const article = byId("task").content.cloneNode(true).firstElementChild;
  translate(article);
  article.dataset.task = task.id;
  article.querySelector("h2").textContent = task.name || task.zone_id;
  article.querySelector(".marks").append(...marks(task));
  put(article.querySelector(".facts"), facts(task));
  put(article.querySelector(".untrue"), task.is_true || task.state === "cancelled" ? "" : say("task.untrue"));
  put(article.querySelector(".expected"), expected(task));
  if (task.frozen?.mean !== undefined) article.querySelector(".chart").append(expectation(task, say));
  put(article.querySelector(".effect"), effect(task));
  checklist(article, task);
  const events = article.querySelector(".happened");
  events.addEventListener("toggle", () => events.open && recall(events, task));
  actions(article, task);
  return article;
}

async function recall(details, task) {
  try {
    const { events } = task.events ? task : await ask(task.href.slice(1));
    details.querySelector("ol").replaceChildren(...events.map(happened));
  } catch (error) {
    complain(error.message);
  }
}

async function act(article, task, action, body) {
  try {
    const told = body();
    article.setAttribute("aria-busy", "true");
    const after = await ask(`${task.href.slice(1)}/${action}`, told);
    complain("");
    keep("signedBy", told.signed_by);
    const fresh = card(after);
    for (const name of ["looked-at", "happened"]) {
      fresh.querySelector(`.${name}`).open = article.querySelector(`.${name}`).open;
    }
    article.replaceWith(fresh);
    fresh.querySelector(".say input").focus();
  } catch (error) {
    article.removeAttribute("aria-busy");
    complain(error.message);
  }
}

function choices(select, codes, told) {
  const kept = select.value;
  select.replaceChildren(...codes.map((code) => made("option", { value: code }, told(code))));
  select.value = codes.includes(kept) ? kept : codes[0];
}

async function load(offset = 0) {
  try {
    const wanted = new URLSearchParams({ state: filters.state.value || "live", limit: PAGE, offset });
    if (filters.owner.value) wanted.set("owner", filters.owner.value);
    if (filters.overdue.checked) wanted.set("overdue", "true");
    const { numberMatched, owners, tasks } = await ask(`queues/tasks?${wanted}`);
    byId("count").textContent = numberMatched ? say("task.number", { n: numberMatched }) : say("task.none");
    const names = Object.fromEntries(owners.map((one) => [one.area, one.name || one.area]));
    choices(filters.owner, ["", ...owners.map((one) => one.area)], (code) => (code ? names[code] : say("task.anybody")));
    const cards = tasks.map(card);
    if (offset) byId("tasks").append(...cards);
    else byId("tasks").replaceChildren(...cards);
    shown = offset + tasks.length;
    byId("more").hidden = shown >= numberMatched;
  } catch (error) {
    complain(error.message);
  }
}

function grouped(by) {
  const head = ["group", "tasks", "observed", "expected", "difference", "fell", "would_fall"];
  const rows = [made("tr", {}, ...head.map((key) => made("th", { scope: "col" }, say(`task_effect.${key}`))))];
  const told = { kind: (key) => word("kind", key), class: (key) => word("class", key), district: (key) => key, month: (key) => key };
  for (const [name, groups] of Object.entries(by)) {
    rows.push(made("tr", {}, made("th", { scope: "colgroup", colSpan: head.length }, say(`task_effect.by_${name}`))));
    for (const one of groups) {
      const interval = `${signed(one.difference)} (${signed(one.difference_low)} – ${signed(one.difference_high)})`;
      const shares = [percent(one.came_down), percent(one.would_have_come_down)];
      const cells = [told[name](one[name]) || say("task_effect.unplaced"), one.tasks, one.observed, round(one.expected), interval, ...shares];
      rows.push(made("tr", {}, ...cells.map((cell) => made("td", {}, String(cell)))));
    }
  }
  return rows;
}

async function loadCity() {
  try {
    const { all, by } = await ask("statistics/supervision");
    const city = byId("city");
    city.hidden = false;
    city.querySelector("details").hidden = !all.tasks;
    if (!all.tasks) {
      put(city.querySelector(".headline"), say("task_effect.none"));
      return;
    }
    const told = { n: all.tasks, observed: all.observed, expected: round(all.expected), difference: signed(all.difference) };
    const band = { low: signed(all.difference_low), high: signed(all.difference_high) };
    put(city.querySelector(".headline"), say("task_effect.headline", { ...told, ...band }));
    const shares = { came: percent(all.came_down), would: percent(all.would_have_come_down) };
    const around = { low: percent(all.would_have_come_down_low), high: percent(all.would_have_come_down_high) };
    put(city.querySelector(".detail"), `${verdict(all.verdict)} · ${say("task_effect.came_down", { ...shares, ...around })}`);
    city.querySelector(".chart").replaceChildren(difference(all, say));
    city.querySelector("table").replaceChildren(...grouped(by));
  } catch (error) {
    complain(error.message);
  }
}

filters.addEventListener("change", () => load());
filters.addEventListener("submit", (event) => event.preventDefault());
byId("more").addEventListener("click", () => load(shown));
await learn("tasks/words.json");
await speak("task.title", () => {
  choices(filters.state, STATES, (code) => word("task_state", code));
  return Promise.all([load(), loadCity()]);
});
