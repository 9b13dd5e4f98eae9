"use strict";
// Only comfort: filtering controls, and opening what a link or the printer needs. Everything can be read without.
const bar = document.getElementById("filter");
const text = document.getElementById("filter-text");
const standing = document.getElementById("filter-standing");
const said = document.getElementById("filter-said");
const controls = Array.from(document.querySelectorAll(".control"));

function filter() {
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const control of controls) {
    const fits = (!standing.value || control.dataset.standing === standing.value)
      && words.every((word) => control.textContent.toLowerCase().includes(word));
    control.hidden = !fits;
    shown += fits ? 1 : 0;
  }
  said.textContent = shown === controls.length ? "" : `${shown} of ${controls.length} controls`;
}

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) {
    if (at.tagName === "DETAILS") at.open = true;
    at.hidden = false;
  }
  if (target) target.scrollIntoView();
}

if (bar) {
  bar.hidden = false;
  text.addEventListener("input", filter);
  standing.addEventListener("change", filter);
  document.getElementById("open-all").addEventListener("click", () => {
    const close = controls.every((control) => control.open);
    for (const control of controls) control.open = !close;
  });
}
addEventListener("hashchange", reveal);
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details.on-paper")) part.open = true;
});
if (location.hash) reveal();
