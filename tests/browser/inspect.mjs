// Opens every page of a folder in headless Chromium, at a desktop's and a phone's size and in the dark, and prints what it saw as JSON:
//   node inspect.mjs FOLDER CHROMIUM [SCREENSHOTS]
// For each page and size: axe-core's violations, every request that is not for a file below FOLDER, errors of the
// console, images that did not load, and by how many pixels the page is wider than the screen.
import { readFileSync, readdirSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [folder, executablePath, screenshots] = [resolve(process.argv[2]), process.argv[3], process.argv[4]];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const sizes = {
  desktop: { width: 1280, height: 900, colorScheme: "light" },
  phone: { width: 390, height: 844, colorScheme: "light" },
  dark: { width: 1280, height: 900, colorScheme: "dark" },
};
const base = pathToFileURL(folder + "/").href;

const pages = readdirSync(folder, { recursive: true })
  .filter((path) => path.endsWith(".html") && !path.startsWith("past/"))
  .sort();

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ deviceScaleFactor: 1, bypassCSP: false });
let requests = [], errors = [];
page.on("request", (request) => request.url().startsWith(base) || requests.push(request.url()));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
page.on("pageerror", (error) => errors.push(String(error)));
const seen = [];
for (const path of pages) {
  [requests, errors] = [[], []];
  await page.setViewportSize(sizes.desktop);
  await page.goto(base + path, { waitUntil: "load" });
  // axe is injected by the debugger, not by the page: a page's own scripts stay forbidden by its policy.
  await page.evaluate(axe);
  for (const [size, { colorScheme, ...viewport }] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    const { broken, overflow, styled, violations } = await page.evaluate(async () => ({
      broken: [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src),
      overflow: document.documentElement.scrollWidth - window.innerWidth,
      styled: getComputedStyle(document.querySelector("header")).backgroundColor,
      violations: (await axe.run(document, { preload: false, resultTypes: ["violations"] })).violations,
    }));
    if (screenshots) {
      mkdirSync(screenshots, { recursive: true });
      await page.screenshot({ path: join(screenshots, `${size}-${path.replaceAll("/", "-")}.png`), fullPage: true });
    }
    seen.push({
      page: path, size, requests, errors, broken, overflow, styled,
      violations: violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => node.html.slice(0, 200)) })),
    });
  }
}
await browser.close();
console.log(JSON.stringify(seen));
