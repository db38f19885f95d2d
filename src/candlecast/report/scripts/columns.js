// Reads what report/columns.py wrote: columns of numbers in one gzipped stream.
"use strict";

const MISSING = -(2 ** 31);

/** The bytes of a script element that holds gzip in base64. */
async function inflated(id) {
  const text = atob(document.getElementById(id).textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Columns by name: {values: Float64Array, offset: bar of the first value}. */
function readColumns(header, bytes) {
  const columns = {};
  let start = 0;
  for (const [name, entry] of Object.entries(header)) {
    const size = entry.length * ("decimals" in entry ? 4 : 8);
    const part = bytes.subarray(start, start + size);
    columns[name] = {offset: entry.offset, values: "decimals" in entry ? whole(part, entry) : floats(part)};
    start += size;
  }
  return columns;
}

function floats(part) {
  return new Float64Array(part.slice().buffer);
}

function whole(part, {length, decimals, origin}) {
  const values = new Float64Array(length);
  const up = decimals < 0 ? 10 ** -decimals : 1, down = decimals > 0 ? 10 ** decimals : 1;
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const folded = part[i] | (part[i + length] << 8) | (part[i + 2 * length] << 16) | (part[i + 3 * length] << 24);
    sum = (sum + ((folded >>> 1) ^ -(folded & 1))) | 0;
    values[i] = sum === MISSING ? NaN : origin + sum * up / down;
  }
  return values;
}
