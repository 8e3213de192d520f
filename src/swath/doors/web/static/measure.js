// Figures as they are read on the map: grouped digits, round lengths, degrees of a pixel, names of coordinates.

const STEPS = [1, 2, 2.5, 5, 10];
const WIDEST = 104;
export const THIN = "\u2009";

/** 719434.2 as "719 434", with a true minus and `digits` after the point. */
export function grouped(value, digits = 0) {
  const [whole, part] = Math.abs(value).toFixed(digits).split(".");
  const text = whole.replace(/\B(?=(\d{3})+$)/g, THIN);
  return `${value < 0 ? "\u2212" : ""}${text}${part ? `.${part}` : ""}`;
}

/** The longest round length that fits the bar: {length, width in px}. */
export function scaleBar(perPixel, widest = WIDEST) {
  const most = perPixel * widest;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = STEPS.filter((s) => s * power <= most).at(-1) || 1;
  return { length: step * power, width: (step * power) / perPixel };
}

/** 2500 as "2 500", 2.5 as "2.5": with the digits it has and no more. */
function plain(value) {
  const digits = (String(Number(value.toPrecision(6))).split(".")[1] || "").length;
  return grouped(value, digits);
}

/** A length in pixels, centimetres, metres or kilometres as text. */
export function lengthWords(length, metres, words) {
  if (metres === null) return `${plain(length)}${THIN}${length === 1 ? words.pixel : words.pixels}`;
  if (length >= 1000) return `${plain(length / 1000)}${THIN}km`;
  return length >= 1 ? `${plain(length)}${THIN}m` : `${plain(length * 100)}${THIN}cm`;
}

/** Weights of three values at 0, 1, 2 for a place t between: a parabola through them. */
const parabola = (t) => [((t - 1) * (t - 2)) / 2, -t * (t - 2), (t * (t - 1)) / 2];

/** Longitude and latitude of a pixel, by parabolas through the places of the grid that the server told; null outside. */
export function lonlat({ lonlat: lattice, width, height }, col, row) {
  if (!lattice) return null;
  const last = lattice.length - 1;
  const cell = (part) => Math.min(last - 2, Math.max(0, Math.round(part * last) - 1));
  const [u, v] = [col / width, row / height];
  const [i, j] = [cell(v), cell(u)];
  const [down, across] = [parabola(v * last - i), parabola(u * last - j)];
  const first = lattice[i][j];
  let [lon, lat] = [0, 0];
  for (const [a, wa] of down.entries()) {
    for (const [b, wb] of across.entries()) {
      const place = lattice[i + a][j + b];
      if (!place || !first) return null;
      const turn = Math.round((place[0] - first[0]) / 360) * 360;
      lon += wa * wb * (place[0] - turn);
      lat += wa * wb * place[1];
    }
  }
  return [((((lon + 180) % 360) + 360) % 360) - 180, lat];
}

/** "EPSG:32718", or the name in the text of a CRS without a number. */
export function crsName(crs) {
  if (crs.length < 24) return crs;
  const names = [/"([^"]+)"/, /CONVERSION\["([^"]+)"/, /METHOD\["([^"]+)"/].map((part) => crs.match(part)?.[1]);
  return (names.find((name) => name && !/^(unnamed|unknown|undefined|custom)$/i.test(name)) ?? "own projection").slice(0, 32);
}

/** 38.87 with "NS" as "38.87° N". */
export const degrees = (value, digits, letters) => `${Math.abs(value).toFixed(digits)}° ${value < 0 ? letters[1] : letters[0]}`;
