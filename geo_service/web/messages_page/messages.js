// Messages: what was told to whom, what became of it; dead letters first, to be sent again or cancelled.

import { ask, byId, complain, keep, language, learn, put, say, signedBy, speak, translate, word } from "../queues/common.js";

const PAGE = 50;
const STATES = ["dead", "waiting", "sent", "cancelled", "any"];
const OURS = ["nobody", "no_address"];

const clock = (moment) => moment.replace("T", " ").slice(0, 16);

/** The title of a message, in the page's language: the one its reader gets, or those of the messages it carries. */
function title(message) {
  if (message.carries.length) return message.carries.map(title).join(" · ");
  const { place, count, at, since } = message.facts;
  const values = { place, count, id: message.zone_id, at: at && clock(at), since: since && clock(since) };
  return say(`message.${message.topic}.${message.kind}.title`, { n: 0, ...values });
}

function facts(message) {
  const who = message.staff_id || say("messages.nobody");
  const role = [message.role_title[language] ?? message.role, message.area].filter(Boolean).join(" ");
  const tries = message.attempts ? say("messages.attempts", { n: message.attempts }) : "";
  const receipt = message.receipt && `${say("messages.receipt")}: ${message.receipt}`;
  const state = word("message_state", message.state);
  return [state, clock(message.created_at), `${say("messages.to")} ${who}`, role, message.channel, tries, receipt];
}

function card(message) {
  const article = byId("message").content.cloneNode(true).firstElementChild;
  const form = article.querySelector("form");
  translate(article);
  article.querySelector("h2").textContent = title(message);
  put(article.querySelector(".facts"), facts(message).filter(Boolean).join(" · "));
  const reason = message.reason && word("message_reason", message.reason);
  const told = language === "en" || !OURS.includes(message.reason); // what the other side said is in no language
  put(article.querySelector(".detail"), [reason, told && message.error].filter(Boolean).join(": "));
  const dead = message.state === "dead";
  const replayable = dead && !message.withdrawn_at;
  form.hidden = !(dead || message.state === "waiting");
  form.querySelector(".replay").hidden = !replayable;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (replayable) decide(article, message, "replay");
  });
  form.querySelector(".cancel").addEventListener("click", () => decide(article, message, "cancel"));
  return article;
}

async function decide(article, message, what) {
  try {
    const said = { signed_by: signedBy(), note: article.querySelector("form").note.value.trim() };
    article.setAttribute("aria-busy", "true");
    await ask(`${message.href.slice(1)}/${what}`, said);
    keep("signedBy", said.signed_by);
    complain("");
    await load();
    (document.querySelector("#messages button:not([hidden])") ?? byId("state")).focus();
  } catch (error) {
    article.removeAttribute("aria-busy");
    complain(error.message);
  }
}

async function load() {
  const shown = byId("state").value || STATES[0];
  byId("state").replaceChildren(
    ...STATES.map((state) => Object.assign(document.createElement("option"), {
      value: state, textContent: word("message_state", state), selected: state === shown,
    })),
  );
  try {
    const { numberMatched, messages } = await ask(`queues/messages?state=${shown}&limit=${PAGE}`);
    byId("count").textContent = numberMatched ? say("messages.number", { n: numberMatched }) : say("messages.none");
    byId("messages").replaceChildren(...messages.map(card));
  } catch (error) {
    complain(error.message);
  }
}

byId("state").addEventListener("change", load);
await learn("messages/words.json");
await speak("messages.title", load);
