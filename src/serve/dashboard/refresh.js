"use strict";
// Fetches the page again while somebody looks at it, and leaves open what was open.
async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.querySelector("main");
    for (const item of document.querySelectorAll("details")) {
      const same = page.getElementById(item.id);
      if (same) same.open = item.open;
    }
    document.querySelector("main").replaceWith(next);
    document.title = page.title;
  } catch {
    document.title = "No answer · evidenced";
  }
}
setInterval(refresh, 30000);
