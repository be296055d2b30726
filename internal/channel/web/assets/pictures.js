// The pictures that a person adds to a message. Each is drawn anew in the browser, small enough to send, without what the camera wrote into it
// (place, device). They are shown as canvases: the page loads no image but its own icon.

const most = 4;
const bytes = 300 * 1024;
const tries = [[1600, 0.85], [1600, 0.7], [1280, 0.7], [1024, 0.6], [800, 0.5], [640, 0.4]];
const largest = { bytes: 40 << 20, pixels: 100e6 };

export class Pictures {
  #list;
  #items = []; // {data: base64, thumb: canvas}
  #changed;
  #busy = 0;

  // list shows what was added; changed(code) is called after every change, with what went wrong.
  constructor(list, changed) {
    this.#list = list;
    this.#changed = changed;
    list.addEventListener("click", (e) => {
      const at = [...list.children].indexOf(e.target.closest("button")?.parentElement);
      if (at >= 0) { this.#items.splice(at, 1); this.#draw(); changed(""); }
    });
  }

  get count() { return this.#items.length; }
  get busy() { return this.#busy > 0; }

  async add(files) {
    let trouble = "";
    for (const file of files) {
      if (this.count + this.#busy >= most) { trouble = "pictures_many"; break; }
      this.#busy++;
      this.#changed(trouble);
      try { this.#items.push(await shrink(file)); } catch { trouble = "picture_unreadable"; }
      this.#busy--;
      this.#draw();
    }
    this.#changed(trouble);
  }

  // take returns what was added, and begins anew.
  take() {
    const items = this.#items;
    this.#items = [];
    this.#draw();
    return items;
  }

  // name says what the buttons do, in the language chosen now.
  name(remove) {
    this.remove = remove;
    this.#draw();
  }

  #draw() {
    this.#list.replaceChildren(...this.#items.map(({ thumb }) => {
      const off = Object.assign(document.createElement("button"), { type: "button", className: "off", title: this.remove });
      off.setAttribute("aria-label", this.remove);
      const li = document.createElement("li");
      li.append(thumb, off);
      return li;
    }));
    this.#list.hidden = this.#items.length === 0;
  }
}

// shrink draws a file's picture at most 1600 pixels wide or high, as a JPEG of at most 300 KiB.
async function shrink(file) {
  if (file.size > largest.bytes) throw new Error("too large");
  const bitmap = await createImageBitmap(file);
  try {
    if (bitmap.width * bitmap.height > largest.pixels) throw new Error("too large");
    for (const [side, quality] of tries) {
      const blob = await new Promise((done) => { draw(bitmap, side).toBlob(done, "image/jpeg", quality); });
      if (blob && blob.size <= bytes) return { data: await base64(blob), thumb: draw(bitmap, 360) };
    }
  } finally { bitmap.close(); }
  throw new Error("too large");
}

function draw(bitmap, side) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff"; // JPEG knows nothing transparent
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function base64(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => done(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", failed);
    reader.readAsDataURL(blob);
  });
}

// imagesOf finds the pictures among what was pasted or dropped.
export function imagesOf(data) { return [...(data?.files ?? [])].filter((f) => f.type.startsWith("image/")); }
