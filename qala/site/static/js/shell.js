/* The shell's small manners: folded menus close, "more" opens the rest of the bottom bar, forms are not sent twice. */

document.addEventListener("click", (event) => {
  for (const fold of document.querySelectorAll("details.fold[open]")) {
    if (!fold.contains(event.target)) fold.open = false;
  }
  const more = event.target.closest("[data-menu-more]");
  const menu = document.querySelector(".menu");
  if (!menu) return;
  const open = Boolean(more) && !("open" in menu.dataset);
  if (open) menu.dataset.open = "";
  else if (more || !menu.contains(event.target)) delete menu.dataset.open;
  menu.querySelector("[data-menu-more]")?.setAttribute("aria-expanded", String("open" in menu.dataset));
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const fold of document.querySelectorAll("details.fold[open]")) {
    fold.open = false;
    fold.querySelector("summary").focus();
  }
  const menu = document.querySelector(".menu[data-open]");
  if (menu) {
    delete menu.dataset.open;
    const more = menu.querySelector("[data-menu-more]");
    more.setAttribute("aria-expanded", "false");
    more.focus();
  }
});

document.addEventListener("focusout", (event) => {
  const fold = event.target.closest?.("details.fold[open]");
  if (fold && event.relatedTarget && !fold.contains(event.relatedTarget)) fold.open = false;
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 4000);
});

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
