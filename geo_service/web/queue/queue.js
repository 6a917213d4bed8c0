// The review queue: what the solver took each place text for, and two clicks to say where it really was.
// Every text is put in as text, never as HTML: place texts come from outside.

import { ask, byId, complain, keep, language, learn, put, say, signedBy, speak, translate, word } from "./common.js";

const PAGE = 20;
const LOOK_EVERY_MS = 1000;
const LOOKS = 20;

/** The places an incident may have been at: the solver's answer and its rivals, then the map. */
function candidates(review) {
  const { answer } = review;
  const named = [answer.county, answer.town, answer.name || review.entry_name, word("level", answer.level)].filter(Boolean).join(" · ");
  const best = answer.entry_id ? [{ entry_id: answer.entry_id, told: named }] : [];
  const others = (answer.alternatives ?? []).filter((one) => one.entry_id).map((one) => ({
    entry_id: one.entry_id,
    told: [one.county, one.town, one.name, word("level", one.level)].filter(Boolean).join(" · "),
  }));
  return [...best, ...others.filter((one) => one.entry_id !== answer.entry_id)];
}

function choice(value, told, checked) {
  const label = document.createElement("label");
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: "where", value, checked });
  label.append(radio, " ", told);
  return label;
}

function lonLat(card) {
  const label = choice("lon_lat", say("queue.on_the_map"), false);
  const input = Object.assign(document.createElement("input"), { name: "lon_lat", size: 24, placeholder: "116.58700, 35.41400" });
  input.addEventListener("input", () => {
    label.querySelector("[type=radio]").checked = true;
  });
  label.append(" ", input);
  card.querySelector(".choices").append(label);
}

function card(review) {
  const article = byId("review").content.cloneNode(true).firstElementChild;
  const form = article.querySelector("form");
  translate(article);
  article.querySelector("h2").textContent = review.place || say("queue.no_text");
  const facts = [word("review_reason", review.reason), review.called_at.replace("T", " ").slice(0, 16), review.incident_id];
  put(article.querySelector(".facts"), [...facts, word("placed", review.placed)].join(" · "));
  put(article.querySelector(".detail"), language === "en" ? review.detail : "");
  const { question } = review.answer;
  const asks = question && say("queue.ask", { about: word("ask_about", question.about), choices: question.choices.join(" / ") });
  put(article.querySelector(".question"), asks || "");
  candidates(review).forEach((one, i) => form.querySelector(".choices").append(choice(one.entry_id, one.told, i === 0)));
  lonLat(article);
  form.words.value = review.place.slice(0, 60);
  // A name that many places have, and a text about another place, teach nothing about other calls.
  form.teach.checked = review.reason !== "conflict" && review.place !== "" && !question;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    decide(article, `${review.href}/correct`, () => correction(form));
  });
  form.querySelector(".reject").addEventListener("click", () => decide(article, `${review.href}/reject`, () => signature(form)));
  return article;
}

function signature(form) {
  return { signed_by: signedBy(), note: form.note.value.trim() };
}

function correction(form) {
  const where = new FormData(form).get("where");
  if (!where) throw new Error(say("queue.choose_first"));
  const said = { ...signature(form), words: form.words.value.trim(), teach: form.teach.checked };
  if (where !== "lon_lat") return { ...said, entry_id: where };
  const [lon, lat] = form.elements.lon_lat.value.split(/[\s,，]+/).map(Number);
  if (!Number.isFinite(lon) || !Number.isFinite(lat)) throw new Error(say("queue.write_position"));
  return { ...said, lon, lat };
}

async function decide(article, path, body) {
  try {
    const said = body();
    article.setAttribute("aria-busy", "true");
    const { decision } = await ask(path.slice(1), said);
    complain("");
    keep("signedBy", said.signed_by);
    article.remove();
    await applied(decision);
    await load();
  } catch (error) {
    article.removeAttribute("aria-busy");
    complain(error.message);
  }
}

/** Wait a while for a decision to be applied: others of the queue may be settled by it. */
async function applied(decision) {
  for (let look = 0; look < LOOKS; look += 1) {
    if ((await ask(`queues/decisions/${decision}`)).state === "applied") return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  complain(say("queue.not_yet_applied"));
}

async function load() {
  try {
    const { numberMatched, reviews } = await ask(`queues/review?limit=${PAGE}`);
    byId("count").textContent = numberMatched ? say("queue.waiting", { n: numberMatched }) : say("queue.none");
    byId("reviews").replaceChildren(...reviews.map(card));
  } catch (error) {
    complain(error.message);
  }
}

await learn("queues/words.json");
await speak("queue.title", load);
