// The first five minutes: from nothing to a swapped picture, while nobody has ever chosen anything.

import { fill, h } from "./dom.js";
import { firstForm } from "./first_form.js";
import { firstRun } from "./first_run.js";
import { styled } from "./styled.js";

const SKIPPED = "livefuse-first-skipped";

export async function startFirst(studio) {
  const host = document.getElementById("first");
  const panels = document.getElementById("panels");
  panels.inert = true; // what is pressed before it is known whether they stay would be lost
  const first = await studio.ask("/api/first").catch(() => null); // without the token: the page asks for it, then this comes
  panels.inert = false;
  if (!first) {
    const off = studio.on("online", () => {
      off();
      startFirst(studio);
    });
    return;
  }
  if (first.chosen || skipped()) return;
  styled("first");
  await begin(host, studio, first);
}

async function begin(host, studio, first) {
  if (studio.session !== first.session) studio.choose(first.session);
  document.body.dataset.first = "asking";
  const form = await firstForm(studio, first, {
    start: (chosen) => run(chosen),
    skip: () => {
      keepSkipped();
      leave();
    },
  });
  fill(host, form.element);
  form.focus();

  async function run(chosen) {
    document.body.dataset.first = "starting";
    const going = firstRun(studio, first, chosen, {
      back: () => {
        document.body.dataset.first = "asking";
        fill(host, form.element);
        form.focus();
      },
      live: () => (document.body.dataset.first = "live"),
      done: leave,
    });
    fill(host, going.element);
    await going.start();
  }

  function leave() {
    delete document.body.dataset.first;
    fill(host);
    document.querySelector(".panel > summary")?.focus();
  }
}

// For this tab: who opens the page again next week may want it after all.
function skipped() {
  try {
    return sessionStorage.getItem(SKIPPED) !== null;
  } catch {
    return false;
  }
}

function keepSkipped() {
  try {
    sessionStorage.setItem(SKIPPED, "1");
  } catch {
    // storage is forbidden: it comes again with the next load
  }
}
