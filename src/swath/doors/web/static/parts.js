// The parts of the page, one line each: a part exports start(app). main.js starts them in its own order.

