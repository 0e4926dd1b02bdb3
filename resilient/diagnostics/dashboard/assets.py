"""The style sheet, the script and the icon: all that a page loads, from here and nowhere else."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

STYLE = """\
:root { color-scheme: light dark; --ink: #1b2027; --soft: #57616d; --line: #dbe0e6;
  --edge: #848d98; --back: #f5f7f9; --card: #ffffff; --link: #1f5fae; --calls: #3173c4;
  --bad: #b3261e; --odd: #855400; --good: #1b6e3c; --p50: #3173c4; --p95: #a15c00; --p99: #a3338f }
@media (prefers-color-scheme: dark) { :root { --ink: #e5e9ee; --soft: #9ba6b2; --line: #323a44;
  --edge: #6b7682; --back: #101419; --card: #181d24; --link: #85b7f5; --calls: #6ea8ec;
  --bad: #ff8a80; --odd: #f0b95a; --good: #6fce93; --p50: #6ea8ec; --p95: #f0b95a;
  --p99: #e58ad6 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 0.9375rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
a { color: var(--link); text-underline-offset: .15em }
a:not(:hover) { text-decoration-thickness: 1px }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 3px }
.skip { position: absolute; left: -99rem } .skip:focus { left: 1rem; top: .5rem;
  background: var(--card); padding: .4rem .8rem; z-index: 1 }
header, main, footer { max-width: 78rem; margin: 0 auto; padding: 0 1.25rem }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: center;
  padding-top: 1rem }
header .name { font-weight: 650; font-size: 1.1rem; color: inherit; text-decoration: none }
header .source { color: var(--soft); flex: 1 1 12rem; overflow-wrap: anywhere }
header form { margin: 0 } footer { color: var(--soft); padding-bottom: 2rem; font-size: .875rem }
h1 { font-size: 1.45rem; margin: 1rem 0 .25rem; overflow-wrap: anywhere; line-height: 1.3 }
h2 { font-size: 1.1rem; margin: 1.9rem 0 .6rem } p.soft, .soft { color: var(--soft) }
button, input[type=search], input[type=password] { font: inherit; color: inherit;
  background: var(--card); border: 1px solid var(--edge); border-radius: 6px; padding: .35rem .7rem;
  min-height: 2.25rem }
button { cursor: pointer } button:hover { border-color: var(--soft) }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem;
  margin: 1rem 0; padding: 0 }
.tiles > div, .card, .plot, details.story { background: var(--card);
  border: 1px solid var(--line); border-radius: 8px }
.tiles > div { padding: .6rem .85rem }
.tiles dt { color: var(--soft); font-size: .875rem } .tiles dd { margin: 0; font-size: 1.35rem;
  font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.tiles .note { display: block; font-size: .8125rem; font-weight: 400; color: var(--soft) }
.bad { color: var(--bad) } .odd { color: var(--odd) } .good { color: var(--good) }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr));
  gap: .75rem; margin-top: 1rem }
.plot { margin: 0; padding: .6rem .75rem .4rem }
.plot svg { display: block; width: 100%; height: auto; overflow: visible }
figcaption { font-weight: 600; display: flex; flex-wrap: wrap; gap: .25rem 1rem }
.legend { display: flex; gap: 1rem; list-style: none; margin: 0; padding: 0; font-weight: 400;
  color: var(--soft) }
.legend li::before { content: ""; display: inline-block; width: .9rem; height: 3px;
  border-radius: 2px; margin-right: .4rem; vertical-align: middle; background: currentColor }
.legend .p50::before { background: var(--p50) } .legend .p95::before { background: var(--p95) }
.legend .p99::before { background: var(--p99) } .legend .calls::before { background: var(--calls) }
.legend .failed::before { background: var(--bad) }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums }
svg path { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
svg .grid { stroke: var(--line); stroke-width: 1 } svg .p50 { stroke: var(--p50) }
svg .p95 { stroke: var(--p95) } svg .p99 { stroke: var(--p99); stroke-dasharray: 5 4 }
svg .calls { stroke: var(--calls) } svg .failed { stroke: var(--bad) }
svg .area { stroke: none; opacity: .16 } svg .calls.area { fill: var(--calls) }
svg .failed.area { fill: var(--bad) } svg .hint { fill: transparent }
svg .hint:hover { fill: var(--soft); opacity: .2 }
.spark { display: inline-block; vertical-align: middle } .spark path { stroke-width: 1.5 }
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .38rem .85rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line) }
tbody tr:last-child > * { border-bottom: 0 }
thead th { font-weight: 550; color: var(--soft); font-size: .875rem }
thead th[aria-sort] a { color: var(--ink); text-decoration: none } thead a { color: inherit }
th.name, td.name { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 9rem }
tbody th { font-weight: 500 } td.left, th.left { text-align: left } td.when { width: 1% }
td.text { text-align: left; white-space: normal;
  overflow-wrap: anywhere }
.state { white-space: nowrap } .state b { font-weight: 700; display: inline-block; width: 1.3em }
.tools { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: center; margin: 0 0 .6rem }
.tools form { display: flex; gap: .5rem; margin: 0 } nav.pages { margin: .7rem 0 }
ol.ranks { list-style: none; margin: 0; padding: .4rem .85rem } ol.ranks li { display: flex;
  justify-content: space-between; gap: 1rem; padding: .22rem 0 }
ol.ranks a { overflow-wrap: anywhere }
.card > h3 { font-size: .95rem; margin: .6rem .85rem 0 } .card > p { margin: .5rem .85rem .8rem }
.card table { width: 100% } .card th, .card td { padding: .25rem .85rem }
details.story { padding: .5rem .85rem; margin-bottom: .5rem } summary { cursor: pointer;
  overflow-wrap: anywhere }
.steps { margin: .5rem 0; padding-left: 1.2rem; overflow-wrap: anywhere }
.steps time { color: var(--soft); display: inline-block; min-width: 4.6rem }
.login { max-width: 24rem; margin: 12vh auto; padding: 1.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px } .login h1 { margin-top: 0 }
.login input, .login button { width: 100%; margin-top: .5rem }
#live::before { content: ""; display: inline-block; width: .6rem; height: .6rem;
  border-radius: 50%; background: var(--good); margin-right: .4rem }
#live.lost::before { background: var(--bad) } #live.paused::before { background: var(--soft) }
@media (max-width: 44rem) { .less { display: none } th, td { padding: .45rem .45rem }
  th.name, td.name { min-width: 6rem } header, main, footer { padding-left: .8rem;
  padding-right: .8rem } header .name { flex: 1 } header .source { order: 1; flex-basis: 100% }
  .plot svg text { font-size: 20px } .tiles { gap: .5rem } }
@media (max-width: 25rem) { .rate { display: none } }
@media (forced-colors: active) { svg path { stroke: CanvasText } svg .hint { fill: none } }
"""

SCRIPT = """\
"use strict";
// Asks for the page again every so often, and changes what has changed: focus, selection and what
// is unfolded stay.
(() => {
  const period = Number(document.documentElement.dataset.period) * 1000;
  const live = document.getElementById("live");
  const main = document.querySelector("main");
  if (!live || !main || !(period > 0)) return;
  const button = document.createElement("button");
  let etag = "", isPaused = false, isLooking = false;

  function say(text, state) {
    if (live.textContent !== text) live.textContent = text;
    live.className = state;
  }

  function same(a, b) {
    return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
  }

  function morph(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const {name, value} of fresh.attributes)
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const {name} of [...old.attributes])
      if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS"))
        old.removeAttribute(name);
    const known = new Map();
    for (const child of old.children) if (child.id) known.set(child.id, child);
    let next = old.firstChild;
    for (const child of fresh.childNodes) {
      const mine = child.id ? known.get(child.id) : next;
      if (mine && same(mine, child)) {
        if (mine === next) next = next.nextSibling;
        else old.insertBefore(mine, next);
        morph(mine, child);
      } else {
        old.insertBefore(document.importNode(child, true), next);
        if (!child.id && next && !next.id) {
          const gone = next;
          next = next.nextSibling;
          gone.remove();
        }
      }
    }
    while (next) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
  }

  function show(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const focused = document.activeElement;
    morph(main, fresh.querySelector("main"));
    document.title = fresh.title;
    if (focused && focused !== document.activeElement && focused.isConnected)
      focused.focus({preventScroll: true});
  }

  function isSelecting() {
    const selection = getSelection();
    return selection && !selection.isCollapsed && main.contains(selection.anchorNode);
  }

  async function look() {
    if (isPaused || isLooking || document.hidden || isSelecting()) return;
    isLooking = true;
    try {
      const answer = await fetch(location.href.split("#")[0], {
        headers: etag ? {"If-None-Match": etag} : {}, cache: "no-store",
        signal: AbortSignal.timeout(Math.max(10000, period)),
      });
      if (answer.status === 401) return location.reload();
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(String(answer.status));
        etag = answer.headers.get("ETag") || "";
        const text = await answer.text();
        if (!isPaused) show(text);
      }
      if (!isPaused) say("Live", "");
    } catch (error) {
      say("Connection lost, trying again", "lost");
    } finally {
      isLooking = false;
    }
  }

  button.type = "button";
  button.textContent = "Pause";
  button.addEventListener("click", () => {
    isPaused = !isPaused;
    button.textContent = isPaused ? "Go on" : "Pause";
    say(isPaused ? "Paused" : "Live", isPaused ? "paused" : "");
    look();
  });
  live.after(button);
  live.hidden = false;
  document.addEventListener("visibilitychange", look);
  setInterval(look, period);
})();
"""

ICON = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" \
fill="#1f5fae"/><path d="M4 18h6l3-9 5 15 4-9h6" fill="none" stroke="#fff" stroke-width="2.6" \
stroke-linecap="round" stroke-linejoin="round"/></svg>
"""


class Asset(NamedTuple):
    """One file. address: its path with what tells its version."""

    kind: str
    body: bytes
    address: str


def _asset(path: str, kind: str, text: str) -> Asset:
    body = text.encode()
    return Asset(kind, body, f"{path}?v={hashlib.sha256(body).hexdigest()[:12]}")


ASSETS = {
    "/style.css": _asset("/style.css", "text/css; charset=utf-8", STYLE),
    "/script.js": _asset("/script.js", "text/javascript; charset=utf-8", SCRIPT),
    "/icon.svg": _asset("/icon.svg", "image/svg+xml", ICON),
}
