// The parts of the page, one line each: a part exports start(app). main.js starts them in its own order.
export * as layers from "./layers.js";
export * as show from "./show.js";
export * as strip from "./strip.js";
export * as dock from "./dock.js";
export * as scenes from "./scenes.js";
export * as sample from "./sample.js";
export * as hover from "./hover.js";
export * as export from "./export.js";
export * as labels from "./labels.js";
export * as classes from "./classes.js";
export * as draw from "./draw.js";
export * as mapping from "./mapping.js";
export * as result from "./result.js";
export * as find from "./find.js";
export * as ask from "./ask.js";
export * as compare from "./compare.js";
