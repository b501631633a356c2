/**
 * The examples for Vue and React with 10,000 vehicles, in the browser against a hub.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { compileScript, parse } from "vue/compiler-sfc";
import { Hub, LIMIT, ROOT } from "./hub.mjs";

const VEHICLES = 10_000;
const ROWS = 100; // that the examples draw
const require = createRequire(import.meta.url);

/** @type {Hub} */
let hub;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
	hub = await Hub.start();
	browser = await hub.browser("plain");
	await publish(1);
});

after(async () => {
	await browser?.close();
	await hub?.end();
});

/** Publishes every vehicle. @param {number} speed_kmh */
async function publish(speed_kmh) {
	for (let k = 0; k < 10; k++) {
		const part = Array.from({ length: VEHICLES / 10 }, (_, i) => ({
			vehicle_id: `V${String(10 * i + k).padStart(5, "0")}`, // each part has some of the rows
			lon: i / 100,
			lat: 50,
			speed_kmh,
		}));
		const answer = await fetch(`${hub.internal}/publish`, {
			method: "POST",
			headers: { "Content-Type": "application/json" },
			body: JSON.stringify(part),
		});
		assert.equal(answer.status, 200, await answer.text());
	}
}

/** An example's file, which follows this hub. @param {string} path */
const example = async (path) =>
	(await readFile(join(ROOT, "web/examples", path), "utf8")).replaceAll("https://localhost:4433", hub.public);

/**
 * Opens an example, counts its renders and animation frames, and moves every vehicle.
 * @param {Record<string, string>} imports of the page
 * @param {Record<string, string>} files by path
 */
async function run(imports, files) {
	const context = await browser.newContext();
	context.setDefaultTimeout(LIMIT);
	const map = JSON.stringify({ imports: { "livemap-client": "/livemap.js", ...imports } });
	const page = `<!doctype html><script type="importmap">${map}</script><div id="app"></div>
		<script type="module" src="/start.js"></script>`;
	for (const [path, body] of Object.entries({ "/example": page, ...files })) {
		const contentType = path.endsWith(".js") ? "text/javascript" : "text/html";
		await context.route(hub.public + path, (route) => route.fulfill({ body, contentType }));
	}
	const one = await context.newPage();
	/** @type {string[]} */
	const errors = [];
	one.on("pageerror", (error) => errors.push(`${error.stack}`));
	await one.addInitScript(() => {
		const counts = { frames: 0, renders: 0, positions: 0 };
		Object.assign(window, { counts });
		const frame = () => void (counts.frames++, requestAnimationFrame(frame));
		requestAnimationFrame(frame);
		const { slice } = Array.prototype; // by which each render takes its rows
		Array.prototype.slice = function (from, to) {
			counts.renders += from === 0 && to === 100 ? 1 : 0;
			return slice.call(this, from, to);
		};
		const { parse } = JSON; // of every event
		JSON.parse = (...args) => (counts.positions++, parse(...args));
	});
	await one.goto(`${hub.public}/example`);
	await one.getByText(`live: ${VEHICLES} vehicles`).waitFor();
	assert.equal(await one.locator("li").count(), ROWS);
	await one.evaluate(() =>
		Object.assign(/** @type {any} */ (window).counts, { frames: 0, renders: 0, positions: 0 }),
	);
	const speed = 50 + Math.floor(Math.random() * 1000) / 10;
	await publish(speed);
	await one.waitForFunction(
		({ ROWS, text }) =>
			[...document.querySelectorAll("li")].filter((li) => li.textContent?.endsWith(text)).length === ROWS &&
			/** @type {any} */ (window).counts.positions >= 10_000,
		{ ROWS, text: `: ${speed} km/h` },
	);
	const counts = await one.evaluate(() => /** @type {any} */ (window).counts);
	await context.close();
	assert.deepEqual(errors, []);
	assert.ok(counts.renders > 0 && counts.renders <= counts.frames + 1, JSON.stringify(counts));
	return counts;
}

describe("an example with 10,000 vehicles renders at most once per frame", { timeout: 20 * LIMIT }, () => {
	test("with Vue", async (t) => {
		const { descriptor } = parse(await example("vue/App.vue"));
		const counts = await run(
			{ vue: "/vue.js" },
			{
				"/start.js": `import { createApp } from "vue";
					import App from "/App.js";
					createApp(App).mount("#app");`,
				"/App.js": compileScript(descriptor, { id: "example", inlineTemplate: true }).content,
				"/vehicles.js": await example("vue/vehicles.js"),
				"/vue.js": await readFile(require.resolve("vue/dist/vue.esm-browser.prod.js"), "utf8"),
			},
		);
		t.diagnostic(JSON.stringify(counts));
	});

	test("with React", async (t) => {
		const counts = await run(
			{ react: "/react.js", "react/jsx-runtime": "/react.js" },
			{
				"/start.js": `import { createElement, client } from "react";
					import App from "/App.js";
					client.createRoot(document.querySelector("#app")).render(createElement(App));`,
				"/App.js": (await withoutJSX("react/App.jsx")).replaceAll("https://localhost:4433", hub.public),
				"/vehicles.js": await example("react/vehicles.js"),
				"/react.js": await react(),
			},
		);
		t.diagnostic(JSON.stringify(counts));
	});
});

test("the package's README follows a hub", { timeout: 2 * LIMIT }, async () => {
	const readme = await readFile(join(ROOT, "web/package/README.md"), "utf8");
	const [, block] = /^```js\n(.*?)^```$/ms.exec(readme) ?? [];
	assert.ok(block);
	const context = await browser.newContext();
	context.setDefaultTimeout(LIMIT);
	const page = `<!doctype html><script type="importmap">{"imports":{"livemap-client":"/livemap.js"}}</script>
		<script type="module">${block.replaceAll("https://hub.example", hub.public)}; window.feed = feed;</script>`;
	await context.route(`${hub.public}/example`, (route) =>
		route.fulfill({ body: page, contentType: "text/html" }),
	);
	await context.route(`${hub.public}/map-token`, (route) => route.fulfill({ body: "a.b.c" }));
	const one = await context.newPage();
	/** @type {string[]} */
	const said = [];
	one.on("console", (message) => said.push(message.text()));
	const sent = one.waitForRequest((request) => request.url().includes("/stream"));
	await one.goto(`${hub.public}/example`);
	assert.equal((await sent).headers().authorization, "Bearer a.b.c");
	await one.waitForFunction(() => /** @type {any} */ (window).feed?.status.phase === "live");
	await hub.publish({ vehicle_id: "VAN-7", lon: 13, lat: 52, topics: ["depot:7"] });
	await one.waitForFunction(() => /** @type {any} */ (window).feed.vehicles.has("VAN-7"));
	assert.ok(said.includes("VAN-7 [13, 52]"), said.join("\n"));
	await hub.remove("VAN-7");
	await context.close();
});

/** @param {string} path of an example */
async function withoutJSX(path) {
	const dir = await mkdtemp(join(tmpdir(), "livemap-jsx-"));
	try {
		const tsc = join(ROOT, "web/node_modules/.bin/tsc");
		const options = ["--allowJs", "--noCheck", "--noResolve", "--target", "es2023", "--module", "esnext"];
		const jsx = ["--jsx", "react-jsx", "--outDir", dir, join(ROOT, "web/examples", path)];
		await promisify(execFile)(tsc, [...options, ...jsx]);
		return await readFile(join(dir, "App.js"), "utf8");
	} finally {
		await rm(dir, { recursive: true });
	}
}

/** React, which has no modules for browsers, as one. */
async function react() {
	const files = {
		react: "react/cjs/react.production.js",
		"react-dom": "react-dom/cjs/react-dom.production.js",
		"react-dom/client": "react-dom/cjs/react-dom-client.production.js",
		"react/jsx-runtime": "react/cjs/react-jsx-runtime.production.js",
		scheduler: "scheduler/cjs/scheduler.production.js",
	};
	const modules = await Promise.all(
		Object.entries(files).map(async ([name, path]) => {
			const text = await readFile(join(ROOT, "web/node_modules", path), "utf8");
			return `${JSON.stringify(name)}: (module, exports) => {${text}\n}`;
		}),
	);
	return `const [modules, loaded] = [{${modules.join()}}, {}];
		function require(name) {
			if (!loaded[name]) {
				const module = (loaded[name] = { exports: {} });
				modules[name](module, module.exports);
			}
			return loaded[name].exports;
		}
		export const { createElement, memo, useSyncExternalStore } = require("react");
		export const { jsx, jsxs, Fragment } = require("react/jsx-runtime");
		export const client = require("react-dom/client");`;
}
