(() => {
  const service = {{ page.service | tojson }};
  const forward = () => {
    const fragment = location.hash.slice(1);
    if (service && fragment && fragment !== "main")
      location.replace("{{ links.ROOT }}/fragment?" + new URLSearchParams({ service, fragment }));
  };
  addEventListener("hashchange", forward);
  forward();
  const end = (log) => { log.scrollTop = log.scrollHeight; };
  const logs = () => [...document.querySelectorAll("pre.log[data-tail]")];
  logs().forEach(end);
  const again = async () => {
    const live = document.getElementById("live");
    if (!live.hasAttribute("data-live")) return;
    try {
      if (!document.hidden) {
        const answer = await fetch(location.href);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.getElementById("live");
        if (answer.ok && next) take(live, next);
        const footer = page.querySelector("footer");
        if (footer) document.querySelector("footer").replaceWith(document.importNode(footer, true));
      }
    } catch { /* the account is stopped, or starts again */ }
    setTimeout(again, 1000);
  };
  const take = (live, next) => {
    if (live.innerHTML === next.innerHTML && live.hasAttribute("data-live") === next.hasAttribute("data-live")) return;
    const open = [...live.querySelectorAll("details")].map((one) => one.open);
    const places = logs().map((log) => [log.scrollTop, log.scrollHeight - log.scrollTop - log.clientHeight < 8]);
    const focused = live.contains(document.activeElement) ? document.activeElement : null;
    const at = focused && [...live.querySelectorAll("a, pre, summary, [tabindex]")].indexOf(focused);
    const made = document.importNode(next, true);
    live.replaceWith(made);
    made.querySelectorAll("details").forEach((one, index) => { if (index in open) one.open = open[index]; });
    logs().forEach((log, index) => {
      const [top, follows] = places[index] || [0, true];
      if (follows) end(log); else log.scrollTop = top;
    });
    if (focused) made.querySelectorAll("a, pre, summary, [tabindex]")[at]?.focus({ preventScroll: true });
  };
  setTimeout(again, 1000);
})();
