"use strict";
(() => {
  const root = document.querySelector("[data-live]");
  if (!root || !window.EventSource) return;
  const log = document.getElementById("log");
  const state = document.getElementById("live-state");
  const MOST = 1000;
  let wanted = false;

  const span = (name, text) => {
    const element = document.createElement("span");
    element.className = name;
    element.textContent = text;
    return element;
  };
  const add = (line) => {
    const item = document.createElement("li");
    item.className = line.level;
    item.append(span("at", line.time), " ", span("level", line.level), ` ${line.text} `, span("more", line.more));
    log.append(item);
    if (log.children.length > MOST) log.firstElementChild.remove();
  };
  // A part that somebody is at stays as it is: what they typed or opened would be lost.
  const inUse = (part) =>
    part.contains(document.activeElement) ||
    part.querySelector("details[open]") ||
    Array.from(part.querySelectorAll("input")).some((input) => input.value !== input.defaultValue);
  const parts = (page) => new Map(Array.from(page.querySelectorAll("[data-part]"), (part) => [part.dataset.part, part]));
  const refresh = async () => {
    if (wanted) return;
    wanted = true;
    await new Promise((done) => setTimeout(done, 1000));
    wanted = false;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = parts(new DOMParser().parseFromString(await answer.text(), "text/html"));
    const shown = parts(document);
    if (Array.from(fresh.keys()).join("\n") !== Array.from(shown.keys()).join("\n")) {
      if (!Array.from(shown.values()).some(inUse)) location.reload();
      return;
    }
    for (const [name, part] of shown) {
      if (fresh.get(name).innerHTML !== part.innerHTML && !inUse(part)) part.replaceWith(fresh.get(name));
    }
  };

  // What workers elsewhere do is not told here, so it is looked at again and again.
  const every = 1000 * Number(root.dataset.every || 0);
  if (every) setInterval(() => document.hidden || refresh().catch(() => {}), every);

  const source = new EventSource(root.dataset.live);
  source.addEventListener("line", (event) => add(JSON.parse(event.data)));
  source.addEventListener("lines", (event) => {
    log.replaceChildren();
    JSON.parse(event.data).forEach(add);
    state.textContent = "New lines appear by themselves.";
  });
  source.addEventListener("lost", (event) => {
    const item = document.createElement("li");
    item.className = "WARN";
    item.textContent = JSON.parse(event.data);
    log.append(item);
  });
  source.addEventListener("changed", () => refresh().catch(() => {}));
  // After a pause what happened meanwhile is not told; where no stream is free, look from time to time.
  let paused = false;
  source.addEventListener("error", () => {
    paused = true;
    if (source.readyState !== EventSource.CLOSED) return;
    setInterval(() => (log ? location.reload() : refresh().catch(() => {})), 30000);
    if (state) state.textContent = "Newer lines appear each 30 seconds.";
  });
  source.addEventListener("open", () => {
    if (paused) refresh().catch(() => {});
    paused = false;
  });
  source.addEventListener("ended", () => {
    source.close();
    location.reload();
  });
})();
