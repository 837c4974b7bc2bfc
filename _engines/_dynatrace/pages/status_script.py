"""
What keeps the status page current: it takes the parts that change from the stream of events, and says when none comes.

A part is changed in place, so that scroll, focus and selection stay; what moves by it glides there.
"""

from __future__ import annotations

SCRIPT = """\
(() => {
"use strict";
const STALE_MS = 40000, AGAIN_MS = 5000, GLIDE_MS = 180;
const live = document.getElementById("live");
const stale = document.getElementById("stale");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const clock = () => new Date().toISOString().slice(11, 19);
let source, heard = Date.now(), heardAt = clock(), failed = false;

// The key of what is the same thing in the old and in the new part.
const key = (node) => node.nodeType === 1 ? node.dataset.key || node.id || "" : "";

function change(old, made) {
  if (old.isEqualNode(made)) return;
  if (old.nodeType !== made.nodeType || old.nodeName !== made.nodeName || key(old) !== key(made)) {
    old.replaceWith(made);
    return;
  }
  if (old.nodeType !== 1) {
    old.data = made.data;
    return;
  }
  // Which details are open is the reader's own.
  const named = new Set([...old.attributes, ...made.attributes].map((one) => one.name).filter((name) => name !== "open"));
  for (const name of named) {
    const value = made.getAttribute(name);
    if (value === null) old.removeAttribute(name);
    else if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const wanted = new Set([...made.children].map(key).filter(Boolean));
  const kept = new Map();
  for (const child of [...old.children]) {
    if (wanted.has(key(child))) kept.set(key(child), child);
    else if (key(child)) child.remove();
  }
  let at = old.firstChild;
  for (const child of [...made.childNodes]) {
    const same = kept.get(key(child));
    if (same) {
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      change(same, child);
    } else if (at && !key(at) && at.nodeName === child.nodeName) {
      const next = at.nextSibling;
      change(at, child);
      at = next;
    } else old.insertBefore(child, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// Lets what is moved by a change glide from where it was, and stay where it is seen if the page is scrolled.
function gliding(work) {
  const places = new Map();
  for (const one of document.querySelectorAll("[data-key]")) places.set(one, one.getBoundingClientRect());
  const focused = document.activeElement;
  const anchor = scrollY > 0 ? [...places.keys()].find((one) => places.get(one).top >= 0) : null;
  work();
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  if (anchor && anchor.isConnected) scrollBy({ top: anchor.getBoundingClientRect().top - places.get(anchor).top, behavior: "instant" });
  if (still.matches) return;
  const by = new Map();
  for (const [one, before] of places) {
    if (!one.isConnected) continue;
    const own = before.top - one.getBoundingClientRect().top;
    by.set(one, own);
    const around = one.parentElement.closest("[data-key]");
    const rest = own - (by.get(around) || 0);
    if (Math.abs(rest) >= 1) {
      one.animate([{ transform: `translateY(${rest}px)` }, { transform: "none" }], { duration: GLIDE_MS, easing: "ease-out" });
    }
  }
}

function ages() {
  for (const one of document.querySelectorAll(".ago time")) {
    const minutes = Math.max(0, Math.floor((Date.now() - Date.parse(one.dateTime)) / 60000));
    const hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
    one.dataset.ago = days ? `${days} d ${hours % 24} h` : hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
  }
}

function tell() {
  const old = failed || Date.now() - heard > STALE_MS;
  const text = old ? `Stale: no news from the engine since ${heardAt} UTC.` : "";
  if (stale.textContent !== text) stale.textContent = text;
  stale.hidden = !old;
  const said = old ? `Not live, last news at ${heardAt} UTC` : `Live, last news at ${heardAt} UTC`;
  if (live.textContent !== said) live.textContent = said;
  live.classList.toggle("is-live", !old);
  document.title = (old ? "(stale) " : "") + document.getElementById("head").dataset.title;
}

function hear() {
  heard = Date.now();
  heardAt = clock();
  failed = false;
  tell();
}

function take({ name, digest, html }) {
  const old = document.getElementById(name);
  if (!old || old.dataset.digest === digest) return;
  const made = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
  made.dataset.digest = digest;
  // Another release of the engine: what is here may not fit what it sends.
  if (made.dataset.build !== old.dataset.build) location.reload();
  gliding(() => { change(old, made); ages(); });
}

function listen() {
  if (source) source.close();
  source = new EventSource("events");
  source.addEventListener("part", (event) => { take(JSON.parse(event.data)); hear(); });
  source.addEventListener("beat", hear);
}

function look() {
  if (Date.now() - heard > STALE_MS || source.readyState === EventSource.CLOSED) {
    failed = true;
    listen();
  }
  tell();
}

ages();
listen();
tell();
setInterval(look, AGAIN_MS);
setInterval(ages, 30000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) { look(); ages(); } });
})();
"""
