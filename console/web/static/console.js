// Comforts of the pages; each works without this file.
"use strict";

// A time of the reader's own zone, beside UTC.
function localTimes(root) {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  for (const each of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(each.dateTime);
    if (!Number.isNaN(moment.getTime())) each.title = format.format(moment);
  }
}

// One box that sets all of a list.
function selectAll(event) {
  const all = event.target;
  if (!(all instanceof HTMLInputElement) || !all.dataset.selects) return;
  for (const each of document.querySelectorAll(`input[type=checkbox][name="${CSS.escape(all.dataset.selects)}"]`)) {
    each.checked = all.checked;
  }
}

document.addEventListener("change", selectAll);
document.addEventListener("htmx:afterSwap", (event) => localTimes(event.target));
localTimes(document);

// Beside a wide screen the menu is open.
const menu = document.querySelector("details.menu");
if (menu) {
  const wide = window.matchMedia("(min-width: 60rem)");
  const show = () => { menu.open = wide.matches; };
  wide.addEventListener("change", show);
  show();
}
