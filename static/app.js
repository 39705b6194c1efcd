// Optional comfort: every page works without this file.
(() => {
  "use strict";
  // A form that is on its way is not sent twice; the server would take it once in any case.
  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented || "stays" in form.dataset) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    form.setAttribute("aria-busy", "true");
  });
  // Back from the next page: the form is fresh again.
  addEventListener("pageshow", () => {
    for (const form of document.forms) { delete form.dataset.sent; form.removeAttribute("aria-busy"); }
  });
  // "Show the password" changes the fields in place, and then stands beside the last of them.
  for (const button of document.querySelectorAll("[data-reveal]")) {
    const fields = [...button.form.querySelectorAll("[autocomplete$=-password]")];
    const name = (shown) => {
      button.setAttribute("aria-pressed", shown);
      button.textContent = shown ? "Hide the password" : "Show the password";
    };
    button.type = "button";
    fields.at(-1)?.after(button);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      for (const field of fields) field.type = shown ? "text" : "password";
      name(shown);
    });
    // Sent in dots, so that no browser keeps it among the texts that were typed.
    button.form.addEventListener("submit", () => { for (const field of fields) field.type = "password"; });
  }
  // A page that waits for something looks again, but not while nobody looks at it.
  const again = document.querySelector("[data-again]");
  if (again) {
    const look = () => {
      if (document.hidden) document.addEventListener("visibilitychange", look, { once: true });
      else location.replace(again.dataset.again);
    };
    setTimeout(look, again.dataset.seconds * 1000);
  }
  // Places as they are typed, by the combobox pattern of the ARIA guide. Without it the next page asks "Which one?".
  const make = (name, attributes, ...inside) => {
    const node = document.createElement(name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    node.append(...inside);
    return node;
  };
  const suggest = (input) => {
    const id = `${input.id}-list`;
    const list = make("ul", { id, class: "suggest", role: "listbox", "aria-label": input.labels[0].textContent });
    const said = make("span", { class: "vh", role: "status" });
    input.after(list, said);
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", id);
    let at = -1, asking, wait;
    const point = (to) => {
      list.children[at]?.setAttribute("aria-selected", false);
      at = to;
      const option = list.children[at];
      if (!option) return input.removeAttribute("aria-activedescendant");
      option.setAttribute("aria-selected", true);
      option.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", option.id);
    };
    const show = (open) => {
      list.hidden = !open;
      input.setAttribute("aria-expanded", open);
      point(-1);
    };
    const stop = () => { clearTimeout(wait); asking?.abort(); show(false); };
    const take = (option) => { input.value = option.dataset.label; said.textContent = ""; stop(); };
    const ask = async () => {
      asking?.abort();
      asking = new AbortController();
      const q = input.value.trim();
      if (q.length < 2) return show(false);
      try {
        const answer = await fetch(`/api/airports?q=${encodeURIComponent(q)}`, { signal: asking.signal });
        const { items } = answer.ok ? await answer.json() : { items: [] };
        list.replaceChildren(...items.slice(0, 8).map(({ label, detail }, place) => make(
          "li",
          { id: `${id}-${place}`, role: "option", "aria-selected": false, "data-label": label },
          label,
          make("small", {}, detail),
        )));
        const found = list.children.length;
        if (answer.ok) said.textContent = found ? `${found} ${found === 1 ? "place" : "places"}` : "No place found";
        show(found > 0 && document.activeElement === input);
      } catch { /* Typed on, or no connection: what is typed still counts. */ }
    };
    show(false);
    input.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(ask, 120); });
    input.addEventListener("blur", stop);
    input.addEventListener("keydown", (event) => {
      const last = list.children.length - 1;
      const is = (key) => event.key === key && !event.isComposing;
      if (list.hidden) {
        if (is("ArrowDown")) { event.preventDefault(); ask(); }
        return;
      }
      if (is("ArrowDown")) point(at < last ? at + 1 : 0);
      else if (is("ArrowUp")) point(at > 0 ? at - 1 : last);
      else if (is("Enter") && at >= 0) take(list.children[at]);
      else if (is("Escape")) stop();
      else return;
      event.preventDefault();
    });
    // The press would take the focus away before the click is one.
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) take(option);
    });
  };
  document.querySelectorAll(".cell.place input").forEach(suggest);
  // The way back is never before the way out.
  const leave = document.querySelector("input[name=leave]");
  const back = document.querySelector("input[name=back]");
  if (leave && back) {
    leave.addEventListener("change", () => {
      if (leave.value) back.min = leave.value;
      if (back.value && back.value < leave.value) back.value = leave.value;
    });
  }
})();
