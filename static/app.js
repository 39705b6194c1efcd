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
