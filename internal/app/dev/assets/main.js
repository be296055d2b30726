// The page: its panes and its language. With one's own documents there are no phones.

import { drawAPI, startAPI } from "./api.js";
import { $ } from "./make.js";
import { drawPhone, startPhone } from "./phone.js";
import { drawSwitch, startSwitch } from "./switch.js";
import { english, onLanguage, useLanguage } from "./words.js";

const phone = $("say") !== null;

function show(pane) {
  document.body.dataset.show = pane;
  for (const b of document.querySelectorAll("[data-pane]")) b.setAttribute("aria-pressed", String(b.dataset.pane === pane));
}
for (const b of document.querySelectorAll("[data-pane]")) b.addEventListener("click", () => show(b.dataset.pane));

function language(set) {
  useLanguage(set);
  if (phone) drawPhone();
  drawAPI();
  drawSwitch();
}
// A storage event goes to other pages only: the frame hears it by itself.
$("language").addEventListener("click", () => language(english() ? "zh" : "en"));
onLanguage(() => language());

language();
show("chat");
if (phone) startPhone();
startAPI();
startSwitch();
