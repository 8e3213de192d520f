// What can stand on either side of a comparison: dates of the scene, its maps, ways to show it, other open scenes.

import { imageParams } from "./layers.js";
import { showOf } from "./show.js";

/** Sides by their key ("date:2019-06-01", "map:3", "show:index-NDVI", "scene:s2", "now") in groups. */
export function sidesOf(app, say) {
  const { scene, scenes, show } = app.store.state;
  if (!scene) return [];
  const dates = (scene.dates ?? []).map(({ date }) => ({ key: `date:${date}`, name: app.dateWords(date), date }));
  const maps = app.store.state.maps.filter((one) => one.scene === scene.id && one.state === "done").map(({ n }) => ({ key: `map:${n}`, name: say.map(n), n }));
  const shows = (scene.shows ?? []).filter((one) => one.kind !== "band" && one.id !== show && (one.kind === "composite" || one.lo === -0.2 || one.index?.length < 5)).slice(0, 6);
  const ways = shows.map((one) => ({ key: `show:${one.id}`, name: one.name, show: one.id }));
  const others = scenes.filter((one) => one.id !== scene.id).map((one) => ({ key: `scene:${one.id}`, name: one.name, scene: one }));
  return [
    { title: say.groups.dates, sides: dates },
    { title: say.groups.maps, sides: maps },
    { title: say.groups.scenes, sides: others, only: "b" },
    { title: say.groups.shows, sides: ways, only: "b" },
  ].filter((group) => group.sides.length);
}

/** Which sides to begin with: two clear dates, else two maps, else two ways to show the scene. */
export function usual(app, groups) {
  const { scene, date } = app.store.state;
  const flat = groups.flatMap((group) => group.sides);
  const dates = scene.dates ?? [];
  if (dates.length > 1) {
    const clear = dates.filter((one) => one.clear === null || one.clear === undefined || one.clear > 0.8);
    const good = clear.length > 1 ? clear : dates;
    const last = dates.some((one) => one.date === date) && date !== good[0].date ? date : good.at(-1).date;
    return { a: `date:${good[0].date}`, b: `date:${last}` };
  }
  const maps = flat.filter((side) => side.n);
  if (maps.length > 1) return { a: maps.at(-2).key, b: maps.at(-1).key };
  const other = flat.find((side) => side.scene) ?? flat.find((side) => side.show) ?? maps.at(-1);
  return { a: "now", b: other?.key ?? "now" };
}

/** The layers of side B, the lowest first: [{record, params, opacity}]. */
export async function layersOf(app, side) {
  const { scene, show, date, stretch } = app.store.state;
  const image = (params, more = {}) => ({ record: { ...scene.layer, id: `${scene.id}`, ...more }, params, opacity: 1 });
  const now = imageParams(scene, { show, date, stretch });
  if (!side) return [image(now)];
  if (side.date) return [image({ ...now, date: side.date })];
  if (side.show) {
    const one = showOf(scene, side.show);
    return [image(imageParams(scene, { show: one.id, date, stretch: null }))];
  }
  if (side.scene) {
    const other = side.scene;
    const nearest = (other.dates ?? []).map((one) => one.date).sort((p, q) => Math.abs(Date.parse(p) - Date.parse(date)) - Math.abs(Date.parse(q) - Date.parse(date)));
    const params = { ...imageParams(other, { show: other.shows.some((one) => one.id === show) ? show : other.default_show, date: nearest[0] ?? null, stretch: null }), on: scene.id };
    return [{ record: { ...other.layer, maxzoom: app.view.levels }, params, opacity: 1 }];
  }
  return [image(now), { record: await classesOf(app, side.n), params: {}, opacity: 0.65 }];
}

/** The layer of classes of map n. */
export async function classesOf(app, n) {
  const record = await app.api.get(`api/maps/${n}`);
  return record.layers.find((layer) => layer.kind === "classes");
}
