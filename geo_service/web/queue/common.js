// What the pages of the queues share: their words in two languages, the staff id that signs, questions to this server.
// A page has the elements #language (disabled: it has no words yet), #signed-by and #problem, and learns its words before
// it speaks.

const KEPT = { language: "geo_service.language", signedBy: "geo_service.signed_by" };

export let language;
let texts = {};

export const byId = (id) => document.getElementById(id);

/** Fetch a page's words: {language, texts: {zh: {group: {key: text}}, en: …}}. */
export async function learn(path) {
  const config = await ask(path);
  texts = Object.fromEntries(Object.entries(config.texts).map(([code, words]) => [code, flat(words)]));
  language = kept("language") ?? config.language;
}

function flat(words, prefix = "", into = {}) {
  for (const [key, value] of Object.entries(words)) {
    if (typeof value === "string") into[prefix + key] = value;
    else flat(value, `${prefix}${key}.`, into);
  }
  return into;
}

function kept(what) {
  try {
    return localStorage.getItem(KEPT[what]) ?? undefined;
  } catch {
    return undefined; // storage is closed to this page: the choice then lasts as long as the page
  }
}

/** Remember a choice ("language", "signedBy") for the next visit. */
export function keep(what, value) {
  try {
    localStorage.setItem(KEPT[what], value);
  } catch {
    // as above
  }
}

/** Give a sentence of the page with its {gaps} filled. */
export function say(key, values = {}) {
  return (texts[language][key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** Give the word for a code of a group, the code itself where there is none. */
export function word(group, code) {
  return texts[language][`${group}.${code}`] ?? code;
}

/** List the codes of a group that have a word. */
export function codes(group) {
  const prefix = `${group}.`;
  return Object.keys(texts[language]).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
}

/** Put a text into an element, as text, and hide it where there is none. */
export function put(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

export function complain(text) {
  put(byId("problem"), text);
}

/** Ask this server, or with a body tell it something; what it refuses is thrown with its reason. */
export async function ask(path, body) {
  const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options || { headers: { accept: "application/json" } });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail);
  return told;
}

/** Give the staff id that signs; without one lead to where it is written. */
export function signedBy() {
  const staffId = byId("signed-by").value.trim();
  if (!staffId) {
    byId("signed-by").focus();
    throw new Error(say("queue.sign_first"));
  }
  return staffId;
}

/** Say everything within an element that is marked data-say. */
export function translate(within) {
  for (const element of within.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
}

/** Show the page in its language, and in the other whenever asked; `load` draws what is not marked data-say. */
export function speak(title, load) {
  byId("signed-by").value = kept("signedBy") ?? "";
  byId("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    keep("language", language);
    show();
  });
  byId("language").disabled = false;
  const show = () => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en-GB";
    document.title = say(title);
    translate(document);
    return load();
  };
  return show();
}
