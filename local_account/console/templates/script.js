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
    if (!live.dataset.live) return;
    try {
      if (!document.hidden) {
        const answer = await fetch(location.href);
        // Its style has another nonce: the policy of this page would refuse it, and say so.
        const text = (await answer.text()).replace(/<(style|script) [^]*?<\/\1>/g, "");
        const page = new DOMParser().parseFromString(text, "text/html");
        const next = page.getElementById("live");
        if (answer.ok && next) take(live, next);
        const footer = page.querySelector("footer");
        if (footer) document.querySelector("footer").replaceWith(document.importNode(footer, true));
      }
    } catch { /* the account is stopped, or starts again */ }
    plan();
  };
  const plan = () => {
    const seconds = document.getElementById("live").dataset.live;
    if (seconds) setTimeout(again, 1000 * seconds);
  };
  const take = (live, next) => {
    if (live.innerHTML === next.innerHTML && live.dataset.live === next.dataset.live) return;
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
  plan();
})();
