// A link holds the texts in its fragment, which is sent to no server.

const LONG_LINK = 8_000; // What mail and chat programs commonly keep whole.
const MOST_LINK = 1_500_000; // Below what browsers open.
const MOST_STATE = 16_000_000; // Bytes that a fragment may unpack to.
const DAMAGED = "The link is damaged: what it holds cannot be read. Ask for it again, or copy it whole.";

const toBase64 = (bytes) => {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 0x8000) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  }
  return btoa(parts.join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};

const fromBase64 = (text) => {
  const whole = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(whole, (one) => one.charCodeAt(0));
};

const through = async (bytes, stream, most) => {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel();
      throw new RangeError("too large");
    }
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
};

const packed = async (state) => {
  const bytes = new TextEncoder().encode(JSON.stringify(state));
  if (bytes.length > MOST_STATE) return null;
  if (typeof CompressionStream !== "function") return `p1.${toBase64(bytes)}`;
  return `z1.${toBase64(await through(bytes, new CompressionStream("deflate-raw"), Infinity))}`;
};

// The texts of a fragment; null where there are none, and a sentence where they cannot be read.
const unpacked = async (fragment) => {
  const text = fragment.replace(/^#/, "");
  if (!text || text === "main") return null;
  const found = /^([a-z])(\d+)\.([A-Za-z0-9_-]*)$/.exec(text);
  if (!found) return DAMAGED;
  const [, kind, version, data] = found;
  if (version !== "1" || !"pz".includes(kind)) return "The link was made by a newer graders than this server's; update it to open the link.";
  if (kind === "z" && typeof DecompressionStream !== "function") return "This browser cannot unpack the link; a newer one can.";
  try {
    const bytes = fromBase64(data);
    const plain = kind === "z" ? await through(bytes, new DecompressionStream("deflate-raw"), MOST_STATE) : bytes;
    const state = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plain));
    const texts = ["grader", "item", "sample"].map((name) => own(state, name));
    if (texts.some((one) => typeof one !== "string")) return DAMAGED;
    return {
      grader: texts[0], item: texts[1], sample: texts[2],
      kind: own(state, "kind") === "json" ? "json" : "text",
      target: ["openai", "azure"].includes(own(state, "target")) ? state.target : "local",
      ...(typeof own(state, "other") === "string" ? { other: state.other } : {}),
    };
  } catch (error) {
    return error instanceof RangeError && error.message === "too large"
      ? "The link unpacks to more than this page opens." : DAMAGED;
  }
};
