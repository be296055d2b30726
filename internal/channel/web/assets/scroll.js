// The list keeps its newest text in sight, unless the person scrolled up to read.

const box = document.getElementById("scroll");
const down = document.getElementById("down");
let pinned = true;
let was = 0;

// follow goes to the newest text if that is what the person looks at, or is made to.
export function follow(force) {
  if (force) pinned = true;
  if (pinned) { box.scrollTop = box.scrollHeight; was = box.scrollTop; }
  down.hidden = pinned;
}

export function startScroll() {
  box.addEventListener("scroll", () => {
    const gap = box.scrollHeight - box.scrollTop - box.clientHeight;
    // Only who scrolls up leaves: text that grows moves the end away, too.
    if (gap < 80) pinned = true; else if (box.scrollTop < was - 4) pinned = false;
    was = box.scrollTop;
    down.hidden = pinned;
  }, { passive: true });
  down.addEventListener("click", () => follow(true));
  const sizes = new ResizeObserver(() => follow(false)); // a keyboard opens; what was only estimated is measured
  sizes.observe(box);
  sizes.observe(document.getElementById("list"));
  // Safari lays its keyboard over the page and only the visual viewport knows.
  const view = window.visualViewport;
  view?.addEventListener("resize", () => {
    document.body.style.height = view.scale === 1 && innerHeight - view.height > 100 ? `${view.height}px` : "";
    follow(false);
  });
}
