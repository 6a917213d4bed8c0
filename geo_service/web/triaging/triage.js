// The daily triage: a day's calls, looked at by keyboard; verdicts gather here and are sent together.
// Every text is put in as text, never as HTML: place texts come from outside.

import { ask, byId, codes, complain, keep, learn, put, say, signedBy, speak, word } from "../queues/common.js";
import { askCategory } from "./retyping.js";

const MOST = 500; // calls shown, and verdicts in one POST
const STATES = ["untriaged", "confirmed", "invalid"];
const LOOK_EVERY_MS = 500;
const LOOKS = 40;

const filters = byId("filters");
const rows = byId("calls").tBodies[0];
const note = byId("note").querySelector("input");
const asked = { day: location.hash.slice(1), state: "untriaged", category: "" };

let day = { calls: [], states: {}, counted: [] }; // what the server said last
const verdicts = new Map(); // by key of a call: what is not sent yet
const chosen = new Set();
let current = 0;
let anchor = 0;
let isSending = false;

const keyOf = (call) => JSON.stringify([call.feed, call.incident_id]);

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// --- what is shown

function cell(className, text, more = "") {
  const found = made("td", { className }, text);
  if (more) found.append(made("span", { className: "more" }, more));
  return found;
}

/** What is said of a call: the verdict that waits here, the one that waits to be applied, or the one that holds. */
function verdictOf(call) {
  const unsent = verdicts.get(keyOf(call));
  if (unsent) return { ...unsent, more: say("triage.unsent") };
  if (!call.verdict) return { verdict: "", more: call.triage && say("triage.pending") };
  const isApplied = call.triage === (call.verdict === "invalid" ? "invalid" : "confirmed");
  const by = `${call.signed_by} · ${call.signed_at.replace("T", " ").slice(5, 16)}`;
  const more = [isApplied ? by : say("triage.pending"), call.note].filter(Boolean).join(" · ");
  return { verdict: call.verdict, category: call.retyped_to, more };
}

function told({ verdict, category: code, more }) {
  if (verdict === "retyped") return say("triage.retyped", { category: word("category", code) });
  return verdict ? say(`triage.${verdict}`) : more ? say("triage.taken_back") : "";
}

function row(call, at) {
  const found = verdictOf(call);
  const zones = [call.unit_name, call.community_name, call.patrol_zone_name].filter(Boolean);
  const box = made("input", { type: "checkbox", tabIndex: -1 });
  box.setAttribute("aria-label", say("triage.choose"));
  const verdict = cell("found", "", found.more);
  verdict.prepend(made("span", { className: `verdict ${found.verdict}` }, told(found)));
  const line = made(
    "tr",
    { className: verdicts.has(keyOf(call)) ? "unsent" : "" },
    made("td", {}, box),
    cell("time", call.called_at.slice(11, 16)),
    cell("place", call.place || say("triage.no_text"), call.incident_id),
    cell("in-zones", zones[0] || say("triage.no_zone"), zones.slice(1).join(" · ")),
    cell("category", word("category", call.category), call.source_category),
    verdict,
  );
  line.addEventListener("click", (event) => clicked(event, at));
  return line;
}

function draw() {
  rows.replaceChildren(...day.calls.map(row));
  const all = STATES.reduce((sum, state) => sum + day.states[state], 0);
  const left = day.states.untriaged;
  byId("count").textContent = say(all === 0 ? "triage.none" : left ? "triage.left" : "triage.all_done", { n: left, all });
  put(byId("none"), day.calls.length ? "" : say("triage.none_in_state"));
  byId("calls").hidden = byId("desk").hidden = !day.calls.length;
  put(byId("first-only"), day.numberMatched > day.calls.length ? say("triage.first_only", { n: day.calls.length }) : "");
  mark();
}

/** Show which call is current and which are selected, and how many verdicts wait to be sent. */
function mark() {
  day.calls.forEach((call, at) => {
    const line = rows.rows[at];
    const isChosen = chosen.has(keyOf(call));
    line.tabIndex = at === current ? 0 : -1;
    line.setAttribute("aria-selected", String(isChosen));
    line.querySelector("input").checked = isChosen;
  });
  const waiting = [chosen.size && say("triage.chosen", { n: chosen.size }), verdicts.size && say("triage.marked", { n: verdicts.size })];
  byId("marked").textContent = waiting.filter(Boolean).join(" · ");
  byId("send").classList.toggle("ready", verdicts.size > 0);
}

function drawFilters() {
  const select = filters.elements.category;
  const counted = made("option", { value: "" }, say("triage.counted"));
  const others = codes("category").map((code) => made("option", { value: code }, word("category", code)));
  select.replaceChildren(counted, ...others);
  select.value = asked.category;
  filters.elements.day.value = day.day ?? asked.day;
  const states = STATES.map((state) => {
    const button = made("button", { type: "button" }, `${say(`triage.${state}`)} ${day.states[state] ?? ""}`);
    button.dataset.state = state;
    button.setAttribute("aria-pressed", String(state === asked.state));
    button.addEventListener("click", () => go({ state }));
    return button;
  });
  filters.querySelector(".states").replaceChildren(filters.querySelector("legend"), ...states);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.title = say(element.dataset.label);
    element.setAttribute("aria-label", element.title);
  }
  byId("help").textContent = say("triage.help", { keys: "↑ ↓ / j k", shift: "Shift" });
}

// --- moving and selecting

function inSight() {
  const line = rows.rows[current];
  if (!line || document.activeElement?.matches("input:not([type=checkbox]), select")) return;
  line.focus({ preventScroll: true });
  line.scrollIntoView({ block: "nearest" });
}

function moveTo(at, withShift) {
  if (!day.calls.length) return;
  current = Math.min(Math.max(at, 0), day.calls.length - 1);
  if (withShift) chooseRange();
  else anchor = current;
  mark();
  inSight();
}

function chooseRange() {
  chosen.clear();
  const [first, last] = [Math.min(anchor, current), Math.max(anchor, current)];
  for (const call of day.calls.slice(first, last + 1)) chosen.add(keyOf(call));
}

function toggle(at) {
  const key = keyOf(day.calls[at]);
  if (!chosen.delete(key)) chosen.add(key);
  mark();
}

function chooseAll() {
  const isAll = chosen.size === day.calls.length;
  chosen.clear();
  if (!isAll) for (const call of day.calls) chosen.add(keyOf(call));
  mark();
}

function clicked(event, at) {
  moveTo(at, event.shiftKey);
  if (event.target.matches("[type=checkbox]") && !event.shiftKey) toggle(at);
}

// --- what is said

/** The calls that the next key is about: those selected, or else the current one. */
function about() {
  const found = day.calls.filter((call) => chosen.has(keyOf(call)));
  return found.length ? found : day.calls.slice(current, current + 1);
}

function decide(verdict, code = "") {
  for (const call of about()) verdicts.set(keyOf(call), { verdict, category: code });
  decided();
}

async function retype() {
  const code = await askCategory(codes("category"), day.counted);
  if (code) decide("retyped", code);
  else inSight();
}

function takeBack() {
  const able = about().filter((call) => verdicts.has(keyOf(call)) || call.verdict);
  if (!able.length) return complain(say("triage.nothing_to_take_back"));
  for (const call of able) {
    if (!verdicts.delete(keyOf(call))) verdicts.set(keyOf(call), { verdict: "", category: "" });
  }
  return decided();
}

/** After a verdict the next call is current, unless it was about a selection. */
function decided() {
  if (!chosen.size) current = anchor = Math.min(current + 1, day.calls.length - 1);
  chosen.clear();
  complain("");
  draw();
  inSight();
}

async function send() {
  if (isSending) return;
  isSending = true;
  try {
    if (!verdicts.size) throw new Error(say("triage.nothing_to_send"));
    const said = day.calls.filter((call) => verdicts.has(keyOf(call)));
    const list = said.map((call) => ({ feed: call.feed, incident_id: call.incident_id, ...verdicts.get(keyOf(call)) }));
    const body = { signed_by: signedBy(), note: note.value.trim(), verdicts: list };
    said.forEach((call) => rows.rows[day.calls.indexOf(call)].setAttribute("aria-busy", "true"));
    const { decisions } = await ask("queues/triage", body);
    keep("signedBy", body.signed_by);
    verdicts.clear();
    chosen.clear();
    note.value = "";
    document.activeElement?.blur(); // the next key is about calls again
    complain("");
    await applied(Math.max(...decisions));
    await load();
  } catch (error) {
    for (const line of rows.rows) line.removeAttribute("aria-busy");
    complain(error.message);
  } finally {
    isSending = false;
  }
}

/** Wait a while for what was sent to be applied; all of it is when the last decision is. */
async function applied(number) {
  for (let look = 0; look < LOOKS; look += 1) {
    if ((await ask(`queues/decisions/${number}`)).state === "applied") return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  complain(say("queue.not_yet_applied"));
}

// --- which calls

async function load() {
  const query = new URLSearchParams({ state: asked.state, limit: MOST });
  for (const name of ["day", "category"]) if (asked[name]) query.set(name, asked[name]);
  try {
    day = await ask(`queues/triage?${query}`);
  } catch (error) {
    complain(error.message);
  }
  asked.day = day.day ?? asked.day;
  const there = new Set(day.calls.map(keyOf));
  for (const kept of [verdicts, chosen]) for (const key of [...kept.keys()]) if (!there.has(key)) kept.delete(key);
  current = anchor = Math.max(0, Math.min(current, day.calls.length - 1));
  drawFilters();
  draw();
  inSight();
}

/** Look at another day, state or category; never while verdicts wait to be sent. */
function go(change) {
  if (verdicts.size) {
    complain(say("triage.send_first", { n: verdicts.size }));
    return drawFilters();
  }
  complain("");
  Object.assign(asked, change);
  chosen.clear();
  current = 0;
  history.replaceState(null, "", `#${asked.day}`);
  return load();
}

function days(n) {
  const noon = new Date(`${asked.day}T12:00:00Z`);
  noon.setUTCDate(noon.getUTCDate() + n);
  return noon.toISOString().slice(0, 10);
}

const KEYS = {
  j: (shift) => moveTo(current + 1, shift),
  k: (shift) => moveTo(current - 1, shift),
  arrowdown: (shift) => moveTo(current + 1, shift),
  arrowup: (shift) => moveTo(current - 1, shift),
  x: () => toggle(current),
  a: chooseAll,
  c: () => decide("confirmed"),
  i: () => decide("invalid"),
  r: retype,
  u: takeBack,
  enter: send,
};

document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || byId("retype").open || !KEYS[key]) return;
  const isSent = key === "enter" && event.target.matches("#note input, #signed-by");
  const isTyping = event.target.matches("input:not([type=checkbox]), select, a, button") && !isSent;
  if (isTyping && (key === "enter" || !event.target.matches("a, button"))) return;
  if (!day.calls.length || isSending) return;
  event.preventDefault();
  KEYS[key](event.shiftKey);
});
for (const button of byId("keys").querySelectorAll("[data-key]")) {
  button.addEventListener("click", (event) => {
    if (!isSending) KEYS[button.dataset.key](event.shiftKey);
    inSight();
  });
}
filters.addEventListener("submit", (event) => event.preventDefault());
filters.elements.day.addEventListener("change", ({ target }) => target.value && go({ day: target.value }));
filters.elements.category.addEventListener("change", ({ target }) => go({ category: target.value }));
byId("day-before").addEventListener("click", () => go({ day: days(-1) }));
byId("day-after").addEventListener("click", () => go({ day: days(1) }));
window.addEventListener("beforeunload", (event) => {
  if (verdicts.size) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !verdicts.size && !isSending) load(); // others look at calls too
});

await learn("triage/words.json");
await speak("triage.title", load);
