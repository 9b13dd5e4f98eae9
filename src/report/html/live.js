"use strict";
// Fetches the page again while somebody looks at it, and leaves open what was open and focus where it was.
async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = document.querySelector("main");
    // Somebody who is at work in the page is not disturbed.
    if (main.contains(document.activeElement) || !document.getSelection().isCollapsed) return;
    main.replaceWith(document.adoptNode(page.querySelector("main")));
    document.title = page.title;
  } catch {
    document.title = "No answer · evidenced";
  }
}
setInterval(refresh, 30000);
