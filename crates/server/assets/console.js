// Puts newer pieces of a page in their place while one looks at it, and spares a few clicks.
// Every page works without this.
"use strict";

(() => {
  const body = document.body;

  // Times in the reader's own zone; the exact one stays in the title.
  const showTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = time.textContent;
      const two = (n) => String(n).padStart(2, "0");
      const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
      const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
      time.textContent = `${day} ${clock}`;
    }
  };

  // A form that was begun is not taken away from under the hands.
  const isInUse = (piece) =>
    piece.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")
    || [...piece.querySelectorAll("input[type=text], textarea")].some((field) => field.value !== field.defaultValue)
    || [...piece.querySelectorAll("input[type=checkbox], input[type=radio]")].some((field) => field.checked !== field.defaultChecked);

  // What the server last said of each piece, before the script had its way with it.
  const was = new WeakMap();
  for (const piece of document.querySelectorAll("[data-piece]")) was.set(piece, piece.innerHTML);

  let asking = false;
  const renew = async () => {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", headers: { "settled-renewal": "1" } });
      if (answer.redirected && new URL(answer.url).pathname === "/console/login") {
        location.reload();
        return;
      }
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const piece of document.querySelectorAll("[data-piece]")) {
        const next = fresh.querySelector(`[data-piece="${CSS.escape(piece.dataset.piece)}"]`);
        if (!next || isInUse(piece)) continue;
        const text = next.innerHTML;
        if (was.get(piece) === text) continue;
        keepOpen(piece, next);
        const focused = piece.contains(document.activeElement) ? document.activeElement : null;
        const key = focused && (focused.id || focused.getAttribute("href"));
        const scrolled = [...piece.querySelectorAll("[id]")]
          .filter((one) => one.scrollTop > 0)
          .map((one) => [one.id, one.scrollTop]);
        piece.innerHTML = next.innerHTML;
        was.set(piece, text);
        for (const [id, top] of scrolled) {
          const same = document.getElementById(id);
          if (same) same.scrollTop = top;
        }
        showTimes(piece);
        for (const form of piece.querySelectorAll("form")) showChosen(form);
        if (key) {
          const again = [...piece.querySelectorAll("a, button, summary")]
            .find((one) => one.id === key || one.getAttribute("href") === key);
          if (again) again.focus({ preventScroll: true });
        }
      }
      reachScrolling();
    } catch {
      // The next word from the server is another chance.
    } finally {
      asking = false;
    }
  };

  // What scrolls can be scrolled by keyboard too.
  const reachScrolling = () => {
    for (const one of document.querySelectorAll(".scroll, pre")) {
      const scrolls = one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight;
      if (!scrolls || one.hasAttribute("tabindex") || one.querySelector("a, button, input, select, textarea, summary")) continue;
      one.tabIndex = 0;
      const title = one.closest("section")?.querySelector("h2");
      if (!title) continue;
      one.setAttribute("role", "region");
      one.setAttribute("aria-label", title.textContent);
    }
  };

  // What was unfolded stays unfolded.
  const keepOpen = (old, next) => {
    for (const details of old.querySelectorAll("details[id]")) {
      const same = next.querySelector(`#${CSS.escape(details.id)}`);
      if (same) same.open = details.open;
    }
  };

  const live = () => {
    const pulse = document.getElementById("pulse");
    const show = (on) => {
      if (!pulse) return;
      pulse.hidden = false;
      pulse.classList.toggle("on", on);
      pulse.textContent = on ? body.dataset.liveWord : body.dataset.offWord;
    };
    const source = new EventSource(`/console/live?${body.dataset.live}`);
    // What the page has missed until then the server tells by itself: it knows what the page has seen.
    source.onopen = () => show(true);
    source.onmessage = renew;
    source.onerror = () => show(false);
    document.addEventListener("visibilitychange", renew);
    addEventListener("pagehide", () => source.close());
    // Some things change by the clock alone.
    setInterval(renew, 15000);
  };

  addEventListener("change", (event) => {
    const field = event.target;
    if (field.matches("[data-submit]")) field.form.requestSubmit();
    if (field.matches("[data-all]")) {
      const named = `input[type=checkbox][name="${CSS.escape(field.dataset.all)}"]`;
      for (const box of field.form.querySelectorAll(named)) box.checked = field.checked;
    }
    showChosen(field.form);
  });

  // What belongs to a choice that was not taken is not shown.
  const showChosen = (form) => {
    if (!form) return;
    for (const part of form.querySelectorAll("[data-for]")) {
      const [name, ...values] = part.dataset.for.split(" ");
      const chosen = new FormData(form).getAll(name);
      part.hidden = !values.some((value) => chosen.includes(value));
    }
  };

  addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const from = document.getElementById(button.dataset.copy);
    if (!from || !navigator.clipboard) return;
    await navigator.clipboard.writeText(from.value ?? from.textContent);
    const word = button.textContent;
    button.textContent = body.dataset.copied;
    setTimeout(() => { button.textContent = word; }, 1500);
  });

  addEventListener("submit", (event) => {
    const asked = event.submitter && event.submitter.dataset.confirm;
    if (asked && !confirm(asked)) event.preventDefault();
  });

  // A link to an entry unfolds it.
  const unfold = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.matches("details")) target.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  // A search that has looked for a while goes on by itself until it has found something, while
  // somebody looks on.
  const goOn = async () => {
    for (let link; (link = document.querySelector("[data-go-on]")) && !document.querySelector("[data-rows] > tr");) {
      await new Promise((resolve) => { setTimeout(resolve, 100); });
      if (document.hidden) return;
      const answer = await fetch(link.href, { credentials: "same-origin" }).catch(() => null);
      if (!answer || !answer.ok || answer.redirected || !link.isConnected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("list");
      if (!fresh) return;
      link.closest("#list").replaceChildren(...fresh.childNodes);
      showTimes(document);
    }
  };
  goOn();

  for (const field of document.querySelectorAll("[data-here]")) field.value = location.pathname + location.search;
  for (const form of document.forms) showChosen(form);
  showTimes(document);
  reachScrolling();
  addEventListener("resize", reachScrolling);
  document.addEventListener("toggle", reachScrolling, true);
  if (body.dataset.live !== undefined) live();
})();
